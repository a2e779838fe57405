package queue

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/wait"
)

// A pipeSide is what goes for all reads, or all writes, at one end.
type pipeSide struct {
	mu      sync.Mutex    // who has it reads, or writes
	stop    atomic.Uint32 // why it must not go on: the bits stopped…
	retired bool          // it does not touch the shared memory any more; guarded by mu

	timer *time.Timer // ends the deadline; guarded by Pipe.ctl
	turn  uint64      // of the deadline: that of an earlier one comes too late; guarded by Pipe.ctl

	// For the one who has mu; made once, so that waiting allocates nothing.
	err         error
	looks       uint32
	look, stare func() bool // report whether a wait is over, roughly and exactly
	gaze        func() bool // look, after a few ring.TailPolls
	watch       func(*lock.Watch)
}

const (
	stoppedByClose uint32 = 1 << iota
	stoppedByShut         // CloseRead, or CloseWrite
	stoppedByDeadline
)

// errWait says that a look has found nothing.
var errWait = errors.New("queue: not yet")

// A care is how closely to look.
type care int

const (
	atWords  care = iota // no more than a load or two
	atAll                // at what the reader has not said yet, too
	atDeaths             // and at the life of the process at the other end
)

// closely is how to look in a long wait. A look at a life may cost a system call: while spinning, it is taken now and then.
func (c *Pipe) closely(s *pipeSide) care {
	if s.looks++; c.policy == wait.Spinning && s.looks%64 != 1 {
		return atAll
	}
	return atDeaths
}

// refusal is why a side must not go on, or nil.
func (c *Pipe) refusal(s *pipeSide) error {
	switch w := s.stop.Load(); {
	case w&stoppedByClose != 0:
		return net.ErrClosed
	case c.p.Closer.Closed():
		return errOwnSegment
	case w&stoppedByDeadline != 0:
		return os.ErrDeadlineExceeded
	case w&stoppedByShut != 0 && s == &c.rd:
		return io.EOF
	case w&stoppedByShut != 0:
		return errno.BrokenPipe
	}
	return nil
}

// data finds out up to which position there are bytes to read.
//
// Errors: [errWait]; why there will be none.
func (c *Pipe) data(how care) error {
	if err := c.refusal(&c.rd); err != nil {
		return err
	}
	// SYNC: end: who has shut the stream, or is dead, published all of it before.
	peer := c.peer().Load()
	dead := how == atDeaths && c.gone(peer)
	if !c.in.Published() {
		return c.p.Corrupt
	}
	switch {
	case c.in.HasBytes():
		return nil
	case peer&writeShut != 0:
		return io.EOF
	case dead:
		return io.ErrUnexpectedEOF
	}
	c.in.GiveBack() // the writer may wait for what was read
	return errWait
}

// room finds out up to which position there is room to write.
//
// Errors: [errWait]; why there will be none.
func (c *Pipe) room(how care) error {
	if err := c.refusal(&c.wr); err != nil {
		return err
	}
	peer := c.peer().Load()
	if peer&readShut != 0 || how == atDeaths && c.gone(peer) {
		return errno.BrokenPipe
	}
	if !c.out.Room(how != atWords) {
		return c.p.Corrupt
	}
	if !c.out.HasRoom() {
		return errWait
	}
	return nil
}

// watch has a sleep end with the death of the process at the other end.
func (c *Pipe) watch(w *lock.Watch) { w.Process(ownerOfEnd(c.peer().Load())) }

// await waits until a side can go on, or never will.
func (c *Pipe) await(s *pipeSide, mine, other *ring.SpinWait) error {
	s.looks = 0
	if s.look() {
		return s.err
	}
	look := s.look
	if c.policy == wait.Spinning {
		look = s.gaze
	}
	policy, over := mine.SpinThen(c.policy, other, look)
	if over {
		if c.policy == wait.Adaptive {
			mine.Adapt(false)
		}
		return s.err
	}
	if err := mine.Event.Await(context.Background(), policy, s.stare, s.watch); err != nil {
		return errOwnSegment
	}
	return s.err
}
