package dict

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/lock"
)

// head starts the payload of a Dict; the stripes follow it, then the touch map. All of it is
// immutable.
//
//	off  size  field       unit
//	  0     4  stripes     power of two, 1..1024
//	  4     4  layout      layoutWords or layoutRecords
//	  8     4  keyBytes    bytes of every key; 0: they differ
//	 12     4  valueBytes  bytes of every value; 0: they differ
//	 16     8  seed        of the hash, random
//	 24     8  maxBytes    of each stripe; 0: no bound
//	 32     8  ttl         ticks; 0: for ever
//	 40     8  touchBits   bits of the touch map, a power of two; 0: there is none
//	 48     4  firstLog    log2 of the buckets that a stripe begins with
type head struct {
	_          structs.HostLayout
	stripes    uint32
	layout     uint32
	keyBytes   uint32
	valueBytes uint32
	seed       uint64
	maxBytes   uint64
	ttl        uint64
	touchBits  uint64
	firstLog   uint32
	_          [76]byte
}

// stripe is one lock's share of the hash space. The offsets that it holds lead to parts of the
// object.
//
//	off  size  field     written by    read by   invariant
//	  0    16  lock      package lock
//	 16     8  count     holder        Len       keys; derived
//	 24     8  first     holder        -         oldest page; 0: none
//	 32     8  current   holder        -         newest page: the last of the list; derived
//	 40     8  before    holder        -         the page before it, or 0; derived
//	 48     8  bytes     holder        -         of all pages in the list; derived
//	 56     8  live      holder        -         bytes of the records that a slot names; see after
//	 64     8  table     holder        readers   bits 0..5 log2 of the buckets, bits 6..45 their offset, bits 46..63 generation; offset 0: no buckets
//	128     8  adding    holder        repair    block that is becoming a part, or 0
//	136     8  dropping  holder        repair    block that may be no part any more, or 0
//	144     8  spare     holder        -         empty page that is in no list; or 0
//	152     8  cursor    holder        -         next record of the oldest page that the cleaner looks at; 0: it has not begun
//	160     8  kept      holder        -         bytes of that page which have got a second chance
//	168     8  subject   holder        repair    offset of the record that a change names or forgets; bit 0 named, bit 1 forgotten; 0: no change
//	176     8  after     holder        repair    live, once the change is committed
//	184     8  claims    holder        -         bits 0..4 log2 of the claims, above their offset; 0: there are none
//	192    16  bell      package lock            of waiters for claims
//	208     4  turn      holder        waiters   moves on with each claim that ends
//	212     4  boot      holder        readers   the boot to which expiries belong
//	216    32  evicted, expired, moved, repaired: statistics
type stripe struct {
	_        structs.HostLayout
	lock     [lock.RegionBytes]byte
	count    atomic.Uint64
	first    uint64
	current  uint64
	before   uint64
	bytes    uint64
	live     uint64
	table    atomic.Uint64
	_        [56]byte
	adding   uint64
	dropping uint64
	spare    uint64
	cursor   uint64
	kept     uint64
	subject  uint64
	after    uint64
	claims   uint64
	bell     [lock.EventBytes]byte
	turn     atomic.Uint32
	boot     atomic.Uint32
	evicted  uint64
	expired  uint64
	moved    uint64
	repaired uint64
	_        [8]byte
}

// bucket is a cache line of slots, of the layout records.
//
//	off  size  field    written by  read by   invariant
//	  0     4  version  holder      readers   changes after a slot, or a place of a value, was given up and before its memory is used again; wraps
//	  4     4  passed   holder      readers   how many records, at most, lie in later buckets because this one was full
//	  8    56  slot     holder      readers   bits 0..42 offset of the record / 8, bits 43..63 the low bits of the hash; 0: empty
type bucket struct {
	_       structs.HostLayout
	version atomic.Uint32
	passed  atomic.Uint32
	slot    [slots]atomic.Uint64
}

// pairs is the bucket of the layout words: keys and values of up to 8 bytes, without records. The
// processor fetches its two lines together.
//
//	off  size  field    written by  read by   invariant
//	  0     4  version  holder      readers   changes after a key was removed and before its place is used again
//	  4     4  passed   holder      readers   as passed of bucket
//	  8    56  key      holder      readers   little-endian, zero-extended
//	 64    56  value    holder      readers   little-endian, zero-extended
//	120     8  tags     holder      readers   a byte for each place: 0, it is empty; else bit 7, and below it the low bits of the hash. Byte 7 is 0
type pairs struct {
	_       structs.HostLayout
	version atomic.Uint32
	passed  atomic.Uint32
	key     [slots]atomic.Uint64
	value   [slots]atomic.Uint64
	tags    atomic.Uint64
}

// page is a piece of a stripe's log: records follow it, one behind the other, up to used.
//
//	off  size  field  written by  invariant
//	  0     8  next   holder      next page of the list; 0: this is the newest
//	  8     8  size   holder      bytes, with this header
//	 16     8  used   holder      bytes, with this header
type page struct {
	_    structs.HostLayout
	next uint64
	size uint64
	used uint64
	_    [8]byte
}

// record is followed by its key, padded to 8 bytes, and one or two places for the value, each
// padded to 8. One with a single place does not change while a slot names it, but for a value of 8
// bytes. One with two places is changed by its state, which says where the value is.
//
//	off  size  field  invariant
//	  0     8  hash
//	  8     2  key    bytes
//	 10     2  pair   bytes / 8 of each of two places; 0: there is one
//	 12     4  size   bytes / 8 of the record, with this header
//	 16     8  state  bits 0..29 bytes of the value, bit 30 the place, bits 31..63 expiry in ticks; 0: never
type record struct {
	_     structs.HostLayout
	hash  uint64
	key   uint16
	pair  uint16
	size  uint32
	state atomic.Uint64
}

// wordCell is a value of 8 bytes.
type wordCell struct{ atomic.Uint64 }

// claim says that a process fills a key, for [Map.Do].
//
//	off  size  field   invariant
//	  0     8  hash    of the key
//	  8     8  owner   bits 0..31 the id of the process, bit 63 the key was changed meanwhile; 0: free
//	 16     8  token   tells the claims of a process apart
type claim struct {
	_     structs.HostLayout
	hash  uint64
	owner uint64
	token uint64
	_     [8]byte
}

const (
	headBytes   = 128
	stripeBytes = 256
	bucketBytes = 64
	pairsBytes  = 128
	pageBytes   = 32
	recordBytes = 24
	claimBytes  = 32

	slots = 7 // of a bucket, in both layouts

	layoutWords   = 0
	layoutRecords = 1

	// bytes of a block's header: with them a page is a power of two, and payloads begin 32 bytes
	// behind a line
	blockPad = 32
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(stripe{})-stripeBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(stripe{}.table)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(stripe{}.adding)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(stripe{}.bell)-192]
	_ = [1]struct{}{}[unsafe.Sizeof(bucket{})-bucketBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(pairs{})-pairsBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(pairs{}.value)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(pairs{}.tags)-120]
	_ = [1]struct{}{}[unsafe.Sizeof(page{})-pageBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(record{})-recordBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(claim{})-claimBytes]
)

// headIn views the start of a payload, which has at least headBytes.
func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// copyIn views the start of a copy of some bytes, which is long enough, as a T.
func copyIn[T any](mem []byte) *T {
	_ = mem[unsafe.Sizeof(*new(T))-1]
	return (*T)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// touchWord is the i-th word of the touch map. The caller keeps i in range.
func (m *Map) touchWord(i uint64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&m.touch[i*4 : i*4+4][0]))
}

// An address is where a mapping begins.
type address = unsafe.Pointer

// baseOf is the address of the mapping.
func baseOf(mem []byte) address { return unsafe.Pointer(unsafe.SliceData(mem)) }

// view is the T at an offset, of which the caller knows with [Map.inHeap] that it can be read. All
// offsets are multiples of 8.
func view[T any](m *Map, off uint64) *T { return (*T)(unsafe.Add(m.base, off)) }

// bytes is the n bytes at an offset, of which the caller knows that they can be read.
func (m *Map) bytes(off, n uint64) []byte { return unsafe.Slice((*byte)(unsafe.Add(m.base, off)), n) }

func storeRelease(a *atomic.Uint64, v uint64) { cpu.StoreRelease64((*uint64)(unsafe.Pointer(a)), v) }

func storeRelease32(a *atomic.Uint32, v uint32) { cpu.StoreRelease32((*uint32)(unsafe.Pointer(a)), v) }

// plain is a word that no other thread can see yet.
func plain(a *atomic.Uint64) *uint64 { return (*uint64)(unsafe.Pointer(a)) }

func plain32(a *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(a)) }
