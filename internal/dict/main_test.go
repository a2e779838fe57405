package dict

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

func TestMain(m *testing.M) { proctest.Main(m) }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newSegment(t testing.TB, size int64) *segment.Segment {
	t.Helper()
	s, err := segment.Create(filepath.Join(proctest.Dir(t), "s"), segment.Config{Size: size, Objects: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// openMap finds or makes the Dict "m".
func openMap(s *segment.Segment, o Options) (*Map, error) {
	obj, _, err := s.New(Spec("m", "test", o))
	if err != nil {
		return nil, err
	}
	return Of(obj)
}

// openSingle makes a Dict with a single stripe, so that all changes of a test meet in it.
func openSingle(s *segment.Segment, o Options) (*Map, error) {
	spec := Spec("m", "test", o)
	init := spec.Init
	touch := spec.Size - headBytes - int64(o.stripes())*stripeBytes
	spec.Size = headBytes + stripeBytes + touch
	spec.Init = func(mem []byte) {
		init(mem)
		h := headIn(mem)
		h.maxBytes *= uint64(h.stripes)
		h.stripes, h.seed = 1, 12345
	}
	obj, _, err := s.New(spec)
	if err != nil {
		return nil, err
	}
	return Of(obj)
}

func newMapIn(t testing.TB, size int64, o Options) *Map {
	t.Helper()
	m, err := openMap(newSegment(t, size), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *Map) mustSet(k, v string) { must(m.Set(background, []byte(k), []byte(v), DefaultLife)) }

func (m *Map) mustDelete(k string) bool {
	was, err := m.Delete(background, []byte(k))
	must(err)
	return was
}

// get is the value of a key, or "-".
func (m *Map) get(k string) string {
	v, ok, err := m.Get(nil, []byte(k))
	must(err)
	if !ok {
		return "-"
	}
	return string(v)
}

// intact reports everything of the Dict that is not as it should be while no change is under way: a
// derived word that is wrong, a key that is not found, a leaked byte.
func (m *Map) intact() error {
	known := 0
	for i := range m.local {
		n, err := m.intactStripe(uint64(i))
		if err != nil {
			return fmt.Errorf("stripe %d: %w", i, err)
		}
		known += n
	}
	parts, _, err := m.o.Parts(background)
	if err != nil {
		return err
	}
	if parts != known {
		return fmt.Errorf("the stripes know of %d parts, there are %d: leaked", known, parts)
	}
	r, err := m.s.Check()
	if err == nil && r.Orphans != 0 {
		err = fmt.Errorf("%d blocks of dead processes", r.Orphans)
	}
	return err
}

func (m *Map) intactStripe(i uint64) (parts int, err error) {
	h, err := m.lock(background, i) // mends
	if err != nil {
		return 0, err
	}
	defer h.unlock(&err)
	if h.adding != 0 || h.dropping != 0 || h.subject != 0 {
		return 0, fmt.Errorf("adding %#x, dropping %#x, subject %#x", h.adding, h.dropping, h.subject)
	}
	has := func(off uint64, what string) error {
		ok, err := m.o.HasPart(background, off, uint32(i))
		if err == nil && !ok {
			err = fmt.Errorf("%s at %#x is no part", what, off)
		}
		parts++
		return err
	}
	var all []error
	if word := h.table.Load(); !empty(word) {
		all = append(all, has(word&tableOffsetMask-blockPad, "the table"))
	}
	if h.spare != 0 {
		all = append(all, has(h.spare, "the spare page"))
	}
	if h.claims != 0 {
		all = append(all, has(h.claims&^claimLog, "the claims"))
	}
	live, bytes, named, last, before := uint64(0), uint64(0), uint64(0), uint64(0), uint64(0)
	for pg := h.first; pg != 0; {
		p, size, used, err := h.page(pg)
		if err != nil {
			return parts, err
		}
		all = append(all, has(pg, "a page"))
		bytes += size + blockPad
		for off := pg + pageBytes; off < pg+used; {
			c, err := m.content(off)
			if err != nil {
				return parts, err
			}
			at, err := h.naming(off, view[record](m, off).hash)
			if err != nil {
				return parts, err
			}
			if at.slot != nil {
				named++
				live += c.size
			}
			off += c.size
		}
		before, last = last, pg
		pg = p.next
	}
	if h.bytes != bytes || h.live != live || h.current != last || h.before != before || !m.words && h.count.Load() != named {
		all = append(all, fmt.Errorf("bytes %d, live %d, current %#x, before %#x, count %d; want %d, %d, %#x, %#x, %d",
			h.bytes, h.live, h.current, h.before, h.count.Load(), bytes, live, last, before, named))
	}
	return parts, errors.Join(append(all, h.intactBuckets())...)
}

// intactBuckets reports a key that a search does not find, or finds elsewhere.
func (h hold) intactBuckets() error {
	word, keys := h.table.Load(), uint64(0)
	if empty(word) {
		if n := h.count.Load(); n != 0 {
			return fmt.Errorf("%d keys without buckets", n)
		}
		return nil
	}
	t, ok := h.m.table(word)
	if !ok {
		return h.m.corrupt()
	}
	for i := range uint64(1) << t.log {
		if h.m.words {
			b := view[pairs](h.m, t.base+i*pairsBytes)
			for j := range slots {
				if b.tags.Load()>>(8*j)&255 == 0 {
					continue
				}
				keys++
				key := appendWord(nil, b.key[j].Load(), h.m.keyBytes)
				if at, err := h.locateWord(h.m.hash(key), key); err != nil || at.b != b || at.place != j {
					return fmt.Errorf("key %x is in bucket %d and not found there: %v", key, i, err)
				}
			}
			continue
		}
		b := view[bucket](h.m, t.base+i*bucketBytes)
		for j := range b.slot {
			if w := b.slot[j].Load(); w != 0 {
				keys++
				off := offsetOf(w)
				if at, err := h.naming(off, view[record](h.m, off).hash); err != nil || at.slot != &b.slot[j] {
					return fmt.Errorf("slot %d of bucket %d is not found: %v", j, i, err)
				}
			}
		}
	}
	if n := h.count.Load(); n != keys {
		return fmt.Errorf("the count is %d, there are %d keys", n, keys)
	}
	return nil
}

func wantIntact(t testing.TB, m *Map) {
	t.Helper()
	if err := m.intact(); err != nil {
		t.Fatal(err)
	}
}
