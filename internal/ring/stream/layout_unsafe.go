package stream

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
)

// Words are the positions of a stream. A position counts bytes since the stream was made, and may
// wrap.
//
//	off  size  field   written by            read by                 initial
//	  0     8  tail    writer                reader                  start: earlier bytes are published
//	  8     8  wanted  writer, when it       reader, when the        0: the writer sleeps until bytes before
//	                   goes to sleep         writer sleeps           this have been read
//	128     8  freed   reader, now and then  writer                  start: earlier bytes are free again
//	256     8  read    reader                writer, when it finds   start: earlier bytes have been read
//	                                         no room
type Words struct {
	_      structs.HostLayout
	tail   atomic.Uint64
	wanted atomic.Uint64
	_      [112]byte
	freed  atomic.Uint64
	_      [120]byte
	read   atomic.Uint64
	_      [120]byte
}

func (w *Words) cursor() ring.CursorWords {
	return ring.CursorWords{Tail: &w.tail, Freed: &w.freed, Read: &w.read}
}

// Start lets a new stream begin at a position.
func (w *Words) Start(position uint64) { w.cursor().Start(position) }

// Events are what the two sides of a stream sleep on.
type Events struct {
	_        structs.HostLayout
	notEmpty [lock.EventBytes]byte
	notFull  [lock.EventBytes]byte
}

// The sizes of [Words] and [Events].
const (
	WordsBytes  = 384
	EventsBytes = 2 * lock.EventBytes
)

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(Words{}.freed)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(Words{}.read)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(Words{})-WordsBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(Events{})-EventsBytes]
)
