package dict

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindDict, describeDict) }

func describeDict(v *describe.View) error {
	r, err := newReader(v)
	if err != nil {
		return err
	}
	var sum stripe
	var held []proctab.Owner
	for i := range r.stripes {
		s, err := r.stripe(i)
		if err != nil {
			return err
		}
		sum.count.Add(s.count.Load())
		sum.bytes += s.bytes
		sum.live += s.live
		sum.evicted += s.evicted
		sum.expired += s.expired
		if o := lock.HolderIn(s.lock[:]); o != 0 {
			held = append(held, o)
		}
	}
	v.Set("keys", sum.count.Load())
	v.Set("stripes", r.stripes)
	if !r.words {
		v.Set("recordBytes", sum.live)
		v.Set("pageBytes", sum.bytes)
	}
	v.SetNonZero("maxBytes", r.maxBytes)
	v.SetNonZero("evicted", sum.evicted)
	v.SetNonZero("expired", sum.expired)
	if len(held) > 0 {
		v.SetProcesses("owners", held)
	}
	return r.describeEntries(sum.count.Load())
}

// A reader reads a Dict to which this process is not attached.
type reader struct {
	v          *describe.View
	stripes    uint64
	words      bool
	keyBytes   uint64
	valueBytes uint64
	maxBytes   uint64
	key, value describe.Form
	entries    []any
}

func newReader(v *describe.View) (*reader, error) {
	mem, err := v.Bytes(0, headBytes)
	if err != nil {
		return nil, err
	}
	h := headIn(mem)
	r := &reader{
		v: v, stripes: uint64(h.stripes), words: h.layout == layoutWords,
		keyBytes: uint64(h.keyBytes), valueBytes: uint64(h.valueBytes), maxBytes: h.maxBytes * uint64(h.stripes),
	}
	key, value := elem.CutContainer(v.Type)
	if r.key, err = describe.FormOf(key); err == nil {
		r.value, err = describe.FormOf(value)
	}
	if r.stripes == 0 || r.stripes > 1024 || bits.OnesCount32(h.stripes) != 1 || h.layout > layoutRecords ||
		r.words && (r.keyBytes > 8 || r.valueBytes > 8) {
		return nil, fmt.Errorf("%w: %d stripes of layout %d", describe.ErrDamaged, h.stripes, h.layout)
	}
	return r, err
}

func (r *reader) stripe(i uint64) (*stripe, error) {
	mem, err := r.v.Bytes(headBytes+i*stripeBytes, stripeBytes)
	if err != nil {
		return nil, err
	}
	return copyIn[stripe](mem), nil
}

// describeEntries makes as many entries the value as are wanted, in the order of the buckets, of
// about so many keys.
func (r *reader) describeEntries(keys uint64) error {
	r.entries = []any{}
	if r.v.Want.Elements <= 0 { // a bucket may hold keys and values
		r.v.Cut, r.v.Value = keys > 0, r.entries
		return nil
	}
	for i := range r.stripes {
		err := r.v.Steady(func() (uint64, error) {
			s, err := r.stripe(i)
			if err != nil {
				return 0, err
			}
			return s.table.Load(), nil
		}, func() error { return r.readStripe(i, len(r.entries)) })
		switch {
		case errors.Is(err, errEnough):
			r.v.Cut = true
			r.v.Value = r.entries
			return nil
		case err != nil:
			return err
		}
	}
	r.v.Value = r.entries
	return nil
}

// errEnough says that there are more entries than are wanted.
var errEnough = errors.New("enough entries were read")

// readStripe appends the entries of a stripe to the first n.
func (r *reader) readStripe(i uint64, n int) error {
	r.entries = r.entries[:n]
	s, err := r.stripe(i)
	if err != nil {
		return err
	}
	word := s.table.Load()
	if empty(word) {
		return nil
	}
	t, size, read := tableOf(word), uint64(bucketBytes), r.records
	if r.words {
		size, read = pairsBytes, r.pairs
	}
	if t.log > maxTableLog {
		return fmt.Errorf("%w: 2^%d buckets", describe.ErrDamaged, t.log)
	}
	for b := uint64(0); b < 1<<t.log; {
		if r.v.Room() < 1<<16 {
			return errEnough
		}
		some := min(1<<t.log-b, 64) // buckets, to be read at once
		mem, err := r.v.At(t.base+b*size, some*size)
		if err != nil {
			return err
		}
		for ; len(mem) > 0; mem = mem[size:] {
			if err := read(s, mem); err != nil {
				return err
			}
		}
		b += some
	}
	return nil
}

func (r *reader) pairs(_ *stripe, mem []byte) error {
	b := copyIn[pairs](mem)
	for left := b.tags.Load() & (tagBit * everyTag); left != 0; left &= left - 1 {
		j := min(bits.TrailingZeros64(left)/8, slots-1)
		key := appendWord(nil, b.key[j].Load(), int(r.keyBytes))
		if err := r.add(key, appendWord(nil, b.value[j].Load(), int(r.valueBytes))); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) records(s *stripe, mem []byte) error {
	b := copyIn[bucket](mem)
	for j := range b.slot {
		slot := b.slot[j].Load()
		if slot == 0 {
			continue
		}
		if err := r.record(s, offsetOf(slot)); err != nil {
			return err
		}
	}
	return nil
}

// record adds the entry whose record is at off, unless it has expired.
func (r *reader) record(s *stripe, off uint64) error {
	mem, err := r.v.At(off, recordBytes)
	if err != nil {
		return err
	}
	rec := copyIn[record](mem)
	state := rec.state.Load()
	if expiry := state >> expiryShift; expiry != 0 && (expiry <= ticks() || s.boot.Load() != bootWord()) {
		return nil
	}
	key, pair, length := uint64(rec.key), uint64(rec.pair)*8, state&lengthMask
	at := round8(key) + placeOf(state)*pair
	if at+length > uint64(rec.size)*8 {
		return fmt.Errorf("%w: a record does not fit its %d bytes", describe.ErrDamaged, uint64(rec.size)*8)
	}
	mem, err = r.v.At(off+recordBytes, at+length)
	if err != nil {
		return err
	}
	return r.add(mem[:key], mem[at:])
}

func (r *reader) add(key, value []byte) error {
	if len(r.entries) == r.v.Want.Elements {
		return errEnough
	}
	k, err := r.key.Value(key)
	if err != nil {
		return err
	}
	x, err := r.value.Value(value)
	if err != nil {
		return err
	}
	r.entries = append(r.entries, describe.Entry{Key: k, Value: x})
	return nil
}
