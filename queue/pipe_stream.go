package queue

import (
	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/race"
)

// A stream is one process's view of one direction of a pipe.
//
//	freed <= read <= tail,  tail - read <= capacity
type stream struct {
	words *streamWords
	ring  []byte
	mask  uint64 // len(ring) - 1
	batch uint64 // how many bytes the reader gathers before it gives them back

	put streamPut
	get streamGet

	// For the race detector, which does not see mapped memory.
	filled race.Shadow // a write comes before the read of its bytes
	freed  race.Shadow // a read comes before the write that uses the place next
}

// A streamPut is what the process knows as the writer; guarded by the lock of its side of the Pipe.
type streamPut struct {
	next  uint64 // position of the next byte
	until uint64 // there is room for earlier positions
	need  uint64 // how much room a sleeper wants
	side
}

// A streamGet is what the process knows as the reader; guarded by the lock of its side of the Pipe.
type streamGet struct {
	next  uint64 // position of the next byte
	until uint64 // earlier positions are published
	given uint64 // earlier positions have been said to be free
	side
}

// piece is how much is copied before it is published, or given back: the other side goes on meanwhile.
const piece = 16 << 10

func (s *stream) capacity() uint64 { return s.mask + 1 }

// write copies as much of b as there is known to be room for, one piece at most.
func (s *stream) write(b []byte) int {
	p := &s.put
	k := min(uint64(len(b)), p.until-p.next, piece)
	n := cpu.CopyOut(s.ring[p.next&s.mask:], b[:k])
	cpu.CopyOut(s.ring, b[n:k])
	crashpoint.Here("pipe.written")
	s.filled.ReleaseMerge()
	p.next += k
	// SYNC: tail: the bytes are written before it says so.
	storeRelease(&s.words.tail, p.next)
	crashpoint.Here("pipe.published")
	if !s.get.event.Quiet() {
		s.get.event.Notify()
	}
	return int(k)
}

// next is what is known to be published, up to the end of the ring. It stays as it is until finish.
func (s *stream) next() []byte {
	g := &s.get
	at := g.next & s.mask
	return s.ring[at:][:min(g.until-g.next, s.capacity()-at)]
}

// read copies what is known to be published into b, one piece at most.
func (s *stream) read(b []byte) int {
	g := &s.get
	k := min(uint64(len(b)), g.until-g.next, piece)
	n := copy(b[:k], s.ring[g.next&s.mask:])
	copy(b[n:k], s.ring)
	s.finish(k)
	return int(k)
}

// finish notes that k bytes have been read.
func (s *stream) finish(k uint64) {
	g := &s.get
	crashpoint.Here("pipe.copied")
	s.freed.ReleaseMerge()
	g.next += k
	// SYNC: read: the bytes have been copied before it says so.
	storeRelease(&s.words.read, g.next)
	crashpoint.Here("pipe.read")
	if g.next-g.given >= s.batch {
		s.free()
	}
	if !s.put.event.Quiet() {
		s.tellWriter()
	}
}

// tellWriter wakes a writer that sleeps and wants no more room than there is. The writer has said how much, before it announced
// itself, and looks at read then: either that is seen here, or the writer sees what was read.
func (s *stream) tellWriter() {
	s.put.event.Fence()
	if int64(s.get.next-s.words.wanted.Load()) >= 0 {
		s.put.event.Notify()
	}
}

// free tells the writer which bytes have been read.
func (s *stream) free() {
	if g := &s.get; g.given != g.next {
		g.given = g.next
		storeRelease(&s.words.freed, g.next)
		crashpoint.Here("pipe.freed")
	}
}

// published looks how far the writer has come, and reports false when its word makes no sense.
func (s *stream) published() bool {
	g := &s.get
	cpu.Prefetch(&s.ring[g.next&s.mask]) // see glance
	// SYNC: tail: what lies before it has been written.
	g.until = s.words.tail.Load()
	if g.until-g.next > s.capacity() {
		g.until = g.next
		return false
	}
	if g.until != g.next {
		s.filled.Acquire()
	}
	return true
}

// vacated looks how far the reader has come, and reports false when its words make no sense.
func (s *stream) vacated(exact bool) bool {
	p := &s.put
	// SYNC: freed, read: what lies before them has been copied.
	s.learn(s.words.freed.Load())
	if exact && p.until-p.next < max(p.need, 1) {
		s.learn(s.words.read.Load())
	}
	if p.until-p.next > s.capacity() {
		p.until = p.next
		return false
	}
	if p.until != p.next {
		s.freed.Acquire()
	}
	return true
}

// learn notes that what lies before a position has been read. An exact look has seen more than the reader has said.
func (s *stream) learn(read uint64) {
	if until := read + s.capacity(); int64(until-s.put.until) > 0 {
		s.put.until = until
	}
}
