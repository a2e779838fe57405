package dict

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/shmkit/shmkit/internal/owned"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Map is one process's view of a Dict: keys and values are bytes. All handles of the process
// share it. It may be used by any number of goroutines.
type Map struct {
	o     *segment.Object
	s     *segment.Segment
	there segment.Presence
	mem   []byte  // the whole mapping
	base  address // of mem
	head  *head
	touch []byte // the touch map; nil: there is none

	// Copies of what the head says.
	words      bool
	keyBytes   int
	valueBytes int
	seed       uint64
	shift      uint   // 64 - log2 of the stripes
	stripeBits uint   // log2 of the stripes
	flip8      uint64 // of the seed, see hash8
	maxBytes   uint64
	ttl        uint64
	touchMask  uint64

	start   uint64        // of the heap
	end     atomic.Uint64 // up to where the heap is known to be reserved
	stripes uint64        // offset of the first stripe
	ticks   func() uint64
	boot    uint32
	tokens  atomic.Uint64 // of claims
	order   race.Shadow   // of what readers see without a lock
	local   []atomic.Pointer[localStripe]
}

// Options say how a Dict is made.
type Options struct {
	KeyBytes   int // of every key; 0: they differ
	ValueBytes int // of every value; 0: they differ
	Capacity   int // keys that are expected
	MaxBytes   int64
	TTL        time.Duration
}

const (
	maxStripes  = 1024
	minStripes  = 8
	stripeKeys  = 1024      // keys that are expected for each stripe
	stripeShare = 256 << 10 // least bytes of each stripe, where they are bounded

	// MinBytes is the least MaxBytes.
	MinBytes = 64 << 10
	// MaxKey is how many bytes the longest key has.
	MaxKey = 1<<16 - 1
	// MaxValue is how many bytes the longest value has, where MaxBytes sets no other limit.
	MaxValue = 1<<30 - 1
)

// inline reports whether keys and values lie in the buckets.
func (o Options) inline() bool {
	return o.KeyBytes > 0 && o.KeyBytes <= 8 && o.ValueBytes > 0 && o.ValueBytes <= 8 && o.MaxBytes == 0 && o.TTL == 0
}

// stripes is how many locks there are.
func (o Options) stripes() int {
	n := min(max(1<<bits.Len(uint(max(o.Capacity, 1)-1)/stripeKeys), minStripes), maxStripes)
	if o.MaxBytes > 0 {
		for n > 1 && o.MaxBytes/int64(n) < stripeShare {
			n /= 2
		}
	}
	return n
}

// firstLog is log2 of the buckets that each stripe begins with, so that Capacity keys find room.
func (o Options) firstLog() uint32 {
	each := float64(o.Capacity) / float64(o.stripes())
	log := uint32(0)
	for o.Capacity > stripeKeys && float64(uint64(3*slots)<<log)/4 < each*1.02+64 && log < 30 {
		log++
	}
	for o.MaxBytes > 0 && log > 0 && int64(bucketBytes)<<log > o.MaxBytes/int64(o.stripes())/8 {
		log--
	}
	return log
}

// touchBits is how many bits tell which keys were read lately.
func (o Options) touchBits() uint64 {
	if o.MaxBytes == 0 {
		return 0
	}
	return 1 << max(bits.Len64(uint64(o.MaxBytes/64)), 9)
}

// Spec is what the directory has to know to make the Dict.
func Spec(name, typ string, o Options) segment.Spec {
	touch := o.touchBits()
	n := o.stripes()
	return segment.Spec{
		Name: name, Kind: segment.KindDict, Type: typ, Size: int64(headBytes+n*stripeBytes) + int64(touch/8),
		Init: func(mem []byte) {
			h := headIn(mem)
			h.stripes, h.keyBytes, h.valueBytes = uint32(n), uint32(o.KeyBytes), uint32(o.ValueBytes)
			h.layout = layoutRecords
			if o.inline() {
				h.layout = layoutWords
			}
			var seed [8]byte
			rand.Read(seed[:])
			h.seed = binary.NativeEndian.Uint64(seed[:])
			h.maxBytes, h.ttl, h.touchBits = uint64(o.MaxBytes)/uint64(n), Ticks(o.TTL), touch
			h.firstLog = o.firstLog()
		},
	}
}

// Of is the process's view of the Dict in o, which is of [segment.KindDict].
//
// Errors: [segment.ErrCorrupt] when the payload cannot be that of a Dict.
func Of(o *segment.Object) (*Map, error) {
	m := o.Local(func() (any, func() bool) {
		m := newMap(o)
		if m == nil {
			return m, nil
		}
		return m, func() bool { return o.Seg.StillHeld(m.held, nil) }
	}).(*Map)
	if m == nil {
		return nil, o.Damaged("its size is impossible")
	}
	return m, nil
}

// newMap returns nil when the payload makes no sense.
func newMap(o *segment.Object) *Map {
	if len(o.Payload) < headBytes {
		return nil
	}
	if o.IsBlank() { // it leads to no part
		clear(o.Payload[headBytes:])
	}
	h := headIn(o.Payload)
	n, touch := uint64(h.stripes), h.touchBits
	size := uint64(len(o.Payload))
	if n == 0 || n > maxStripes || n&(n-1) != 0 || touch&(touch-1) != 0 || touch > size*8 ||
		touch != 0 && touch < 32 || size != headBytes+n*stripeBytes+touch/8 || h.layout > layoutRecords {
		return nil
	}
	m := &Map{
		o: o, s: o.Seg, there: o.Presence(), mem: o.Seg.Memory(), head: h,
		words: h.layout == layoutWords, keyBytes: int(h.keyBytes), valueBytes: int(h.valueBytes),
		seed: h.seed, flip8: flip8(h.seed), shift: uint(64 - bits.TrailingZeros64(n)), stripeBits: uint(bits.TrailingZeros64(n)), maxBytes: h.maxBytes, ttl: h.ttl,
		start: o.Seg.HeapStart(), ticks: ticks, boot: bootWord(),
		local: make([]atomic.Pointer[localStripe], n),
	}
	if m.words && (m.keyBytes < 1 || m.keyBytes > 8 || m.valueBytes < 1 || m.valueBytes > 8) {
		return nil
	}
	m.base, m.stripes = baseOf(m.mem), o.Start()+headBytes
	if o.IsBlank() {
		m.mem, m.start = o.Payload, 1<<62
		m.base, m.stripes = baseOf(m.mem), headBytes
	}
	if touch > 0 && !o.ReadOnly() {
		m.touch, m.touchMask = o.Payload[headBytes+n*stripeBytes:], touch-1
	}
	m.end.Store(o.Seg.HeapEnd())
	return m
}

// stripe is the i-th stripe.
func (m *Map) stripe(i uint64) *stripe { return view[stripe](m, m.stripes+i*stripeBytes) }

// hash is the hash of a key. The bits above shift choose the stripe, those below them the bucket,
// and the lowest are the tag of a slot.
func (m *Map) hash(key []byte) uint64 { return xxh3.HashSeed(key, m.seed) }

// stripeOf is the number of the stripe that a hash belongs to.
func (m *Map) stripeOf(h uint64) uint64 { return h >> 1 >> (^m.stripeBits & 63) }

// inHeap reports whether the n bytes at off can be read. Off was read from shared memory; n is less
// than 2^48.
func (m *Map) inHeap(off, n uint64) bool {
	return off&7 == 0 && m.below(off, n) || m.inHeapNow(off, n)
}

// below reports whether the n bytes at off lie where the heap is known to be. Off is a multiple of
// 8, and n less than 2^48.
func (m *Map) below(off, n uint64) bool {
	return off-m.start < 1<<46 && off+n <= m.end.Load()
}

// inHeapNow is inHeap which first asks how far the heap reaches now.
func (m *Map) inHeapNow(off, n uint64) bool {
	if off&7 != 0 || off-m.start >= 1<<46 || m.o.Closed() {
		return false
	}
	m.end.Store(m.s.HeapEnd())
	return off+n <= m.end.Load()
}

// checkKey says why no Dict has such a key.
func (m *Map) checkKey(key []byte) error {
	if len(key) > MaxKey {
		return segment.Invalid("a key of %d bytes: at most %d are allowed", len(key), MaxKey)
	}
	return nil
}

// checkValue says why this Dict can never have such a value.
func (m *Map) checkValue(key, value []byte) error {
	limit := uint64(MaxValue)
	if m.maxBytes > 0 {
		limit = min(limit, m.maxBytes/4)
	}
	if n := uint64(len(key)) + uint64(len(value)); n > limit {
		return segment.Invalid("a key and value of %d bytes can never fit: at most %d are allowed, a quarter of a lock's share of MaxBytes", n, limit)
	}
	return nil
}

// corrupt is the error for bytes that make no sense.
func (m *Map) corrupt() error { return owned.Corrupt(m.o) }

// Len is the number of keys, those that have expired and are still there included.
func (m *Map) Len() (n int) {
	for i := range m.local {
		n += int(m.stripe(uint64(i)).count.Load())
	}
	if m.o.Vanished() {
		n = 0
	}
	runtime.KeepAlive(m)
	return n
}

// Stats are counts for people.
type Stats struct {
	Keys     int   // as Len
	Bytes    int64 // of pages and buckets
	Live     int64 // of the records that hold a key and value
	Evicted  int64 // keys that gave way to others
	Expired  int64 // keys that were removed because their time was over
	Moved    int64 // records that were moved so that memory could be used again
	Repaired int64 // deaths with a lock that were mended
}

// Stats adds up what the stripes say, while others change it.
func (m *Map) Stats() (t Stats) {
	for i := range m.local {
		s := m.stripe(uint64(i))
		t.Keys += int(s.count.Load())
		t.Bytes += int64(s.bytes + m.tableBytes(s.table.Load()))
		t.Live += int64(s.live)
		if m.words {
			t.Live += int64(s.count.Load() * 16)
		}
		t.Evicted += int64(s.evicted)
		t.Expired += int64(s.expired)
		t.Moved += int64(s.moved)
		t.Repaired += int64(s.repaired)
	}
	if m.o.Vanished() {
		t = Stats{}
	}
	runtime.KeepAlive(m)
	return t
}

// context of operations that have none.
var background = context.Background()

// Fits reports whether the keys and values have these sizes; 0: they differ.
func (m *Map) Fits(keyBytes, valueBytes int) bool {
	return m.keyBytes == keyBytes && m.valueBytes == valueBytes
}
