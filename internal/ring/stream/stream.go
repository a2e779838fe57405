// Package stream is a ring of bytes with one writer and one reader: one direction of a pipe.
//
// The writer publishes in pieces, so that the reader goes on meanwhile; the reader frees an eighth
// of the ring at once. Neither takes a role here: the package above says which process is at which
// end, and for how long.
package stream

import (
	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Stream is one process's view of the ring. A position counts bytes. The lock of the writing side
// guards Put and the methods of the writer; the lock of the reading side guards Get and the methods
// of the reader.
type Stream struct {
	ring.Cursor
	Need uint64 // how much room a sleeping writer wants; the writer's

	words *Words
	bytes []byte
	mask  uint64 // len(bytes) - 1
}

// piece is how much is copied before it is published, or given back: the other side goes on
// meanwhile.
const piece = 16 << 10

// Bind views the ring in mem; its size is a power of two. All arguments are parts of the object.
func (s *Stream) Bind(o *segment.Object, w *Words, e *Events, mem []byte) {
	s.words, s.bytes, s.mask = w, mem, uint64(len(mem)-1)
	s.Cursor.Bind(o, w.cursor(), mem, 1, uint64(len(mem)/8), e.notFull[:], e.notEmpty[:])
}

// StartWriter makes this process the writer of what follows the published bytes.
func (s *Stream) StartWriter() {
	p := &s.Put
	p.Next = s.words.tail.Load()
	p.Until = p.Next
}

// StartReader makes this process the reader of what follows the bytes that were read.
func (s *Stream) StartReader() {
	g := &s.Get
	g.Next = s.words.read.Load()
	g.Until, g.Given = g.Next, g.Next
}

// Write copies as much of b as there is known to be room for, one piece at most.
func (s *Stream) Write(b []byte) int {
	p := &s.Put
	k := min(uint64(len(b)), p.Until-p.Next, piece)
	n := cpu.CopyOut(s.bytes[p.Next&s.mask:], b[:k])
	cpu.CopyOut(s.bytes, b[n:k])
	crashpoint.Here("pipe.written")
	s.Publish(p.Next + k)
	crashpoint.Here("pipe.published")
	if !s.Get.Event.Quiet() {
		s.Get.Event.NotifyAll()
	}
	return int(k)
}

// Room finds out how much room there is, and reports false when the words contradict each other. An
// exact look costs the reader a cache miss.
func (s *Stream) Room(exact bool) bool { return s.FindRoom(exact, max(s.Need, 1)) }

// HasRoom reports whether there is known to be as much room as the writer needs.
func (s *Stream) HasRoom() bool { return s.Put.Until-s.Put.Next >= max(s.Need, 1) }

// WantRoom says in shared memory what a writer that is going to sleep needs.
func (s *Stream) WantRoom(n uint64) {
	s.Need = min(n, s.Capacity()/2)
	// SYNC: wanted: a reader that sees a sleeper sees what it sleeps for. See tellWriter.
	ring.StoreRelease(&s.words.wanted, s.Put.Next+s.Need-s.Capacity())
}

// Peek is what is known to be published, up to the end of the ring. It stays as it is until Finish.
func (s *Stream) Peek() []byte {
	g := &s.Get
	at := g.Next & s.mask
	return s.bytes[at:][:min(g.Until-g.Next, s.Capacity()-at)]
}

// Read copies what is known to be published into b, one piece at most.
func (s *Stream) Read(b []byte) int {
	g := &s.Get
	k := min(uint64(len(b)), g.Until-g.Next, piece)
	n := copy(b[:k], s.bytes[g.Next&s.mask:])
	copy(b[n:k], s.bytes)
	s.Finish(k)
	return int(k)
}

// Finish notes that k bytes have been read.
func (s *Stream) Finish(k uint64) {
	crashpoint.Here("pipe.copied")
	s.Consume(s.Get.Next + k)
	crashpoint.Here("pipe.read")
	if s.FreeDue() {
		s.GiveBack()
	}
	if !s.Put.Event.Quiet() {
		s.tellWriter()
	}
}

// tellWriter wakes a writer that sleeps and wants no more room than there is. The writer has said
// how much, before it announced itself, and looks at read then: either that is seen here, or the
// writer sees what was read.
func (s *Stream) tellWriter() {
	s.Put.Event.Fence()
	if int64(s.Get.Next-s.words.wanted.Load()) >= 0 {
		s.Put.Event.NotifyAll()
	}
}

// GiveBack tells the writer which bytes have been read.
func (s *Stream) GiveBack() {
	if s.Free() {
		crashpoint.Here("pipe.freed")
	}
}

// Published finds out how far the writer has come, and reports false when its word is that of no
// stream.
func (s *Stream) Published() bool {
	s.FetchMessage()
	return s.FindMessages()
}

// HasBytes reports whether bytes are known to be published.
func (s *Stream) HasBytes() bool { return s.Get.Next != s.Get.Until }

// Filled is how many bytes are published and not read, as shared memory says, whatever this process
// knows of that. Any goroutine may call it. The number is too large where both ends go on
// meanwhile, and any where the words are damaged.
func (s *Stream) Filled() uint64 {
	read := s.words.read.Load()
	return s.words.tail.Load() - read
}
