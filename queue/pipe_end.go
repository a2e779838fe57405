package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/stream"
	"github.com/shmkit/shmkit/internal/segment"
)

// A pipe is one process's view of a pipe. Where both ends are in the process, they share it.
type pipe struct {
	ring.View
	o       *segment.Object
	head    *pipeHead
	streams [2]stream.Stream

	mu       sync.Mutex
	ends     int  // of this process that are not closed; guarded by mu
	released bool // the memory may be another object's; guarded by mu
}

// errReleased says that the process has let go of an object that it is about to use.
var errReleased = errors.New("released")

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// fillPipe makes a new pipe whose streams begin at position start.
func fillPipe(mem []byte, capacity, start uint64) {
	h := pipeHeadIn(mem)
	h.capacity = capacity
	for i := range h.streams {
		h.streams[i].Start(start)
	}
}

// viewPipe checks what an object's head says against the object's size.
func viewPipe(o *segment.Object) (*pipe, error) {
	layout := ring.Layout{Head: pipeHeadBytes, Stride: 2, Min: minPipeBuffer, Max: maxPipeBuffer}
	capacity, rest, err := layout.Capacity(o)
	if err != nil {
		return nil, err
	}
	if rest != 0 {
		return nil, ring.Damaged(o)
	}
	p := &pipe{View: ring.NewView(o, "queue"), o: o, head: pipeHeadIn(o.Payload)}
	rings := o.Payload[pipeHeadBytes:]
	for i := range p.streams {
		p.streams[i].Bind(o, &p.head.streams[i], &p.head.events[i], rings[uint64(i)*capacity:][:capacity:capacity])
	}
	return p, nil
}

// pipeOf is this process's view of a pipe.
func pipeOf(o *segment.Object) (*pipe, error) {
	return ring.ViewOf(o, func() (*pipe, error) { return viewPipe(o) }, nil)
}

// takeEnd gives c an end of the pipe that find finds.
func takeEnd(c *Pipe, end int, find func() (*segment.Object, error)) error {
	for {
		o, err := find()
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		p, err := pipeOf(o)
		if err != nil {
			return fmt.Errorf("queue: %w", err)
		}
		if err = p.take(c, end); err != errReleased {
			return err
		}
	}
}

// take makes this process the one that has an end.
//
// What a death leaves behind: an end that a dead process has, or nobody yet.
func (p *pipe) take(c *Pipe, end int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return errReleased
	}
	if err := p.claim(end); err != nil {
		p.drop()
		return err
	}
	p.ends++
	c.bind(p, end)
	// Whoever waits at the other end waits for this process from now on, and watches its life.
	c.in.Put.Event.NotifyAll()
	c.out.Get.Event.NotifyAll()
	return nil
}

// refuse sees to it that nobody ever takes an end, and tells the other one. It reports false when somebody has taken it already.
//
// What a death leaves behind: an end that nobody has yet, or that says so.
func (p *pipe) refuse(end int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return true // whoever was the last here to let go of the memory had refused it, or had an end
	}
	word := &p.head.ends[end]
	if word.CompareAndSwap(0, writeShut|readShut) {
		crashpoint.Here("pipe.refused")
		p.streams[end].Get.Event.NotifyAll()
		p.streams[1-end].Put.Event.NotifyAll()
	}
	refused := ownerOfEnd(word.Load()) == 0
	p.drop()
	return refused
}

// bind makes c the end of p that this process has taken.
func (c *Pipe) bind(p *pipe, end int) {
	c.p, c.end, c.in, c.out = p, end, &p.streams[1-end], &p.streams[end]
	c.local, c.remote = p.addr(end), p.addr(1-end)
	c.in.StartReader()
	c.out.StartWriter()
	c.users.Store(3)
	c.rd.look = func() bool { c.rd.err = c.data(atWords); return c.rd.err != errWait }
	c.rd.stare = func() bool { c.rd.err = c.data(c.closely(&c.rd)); return c.rd.err != errWait }
	c.rd.gaze = func() bool { c.in.PollTail(); return c.rd.look() }
	c.wr.look = func() bool { c.wr.err = c.room(atWords); return c.wr.err != errWait }
	c.wr.stare = func() bool { c.wr.err = c.room(c.closely(&c.wr)); return c.wr.err != errWait }
	c.wr.gaze = c.wr.look
	c.rd.watch, c.wr.watch = c.watch, c.watch
}

// claim writes down this process as the one that has an end.
func (p *pipe) claim(end int) error {
	word := &p.head.ends[end]
	// SYNC: end: who sees the owner can watch its life.
	if !word.CompareAndSwap(0, uint32(p.Me)) {
		who, _ := p.Table.Info(ownerOfEnd(word.Load()))
		return fmt.Errorf("%w: end %d of pipe %q of %s is, or was, that of %v: an end has one owner for good",
			ErrRoleTaken, end+1, p.o.Name, p.o.Seg.Path(), who)
	}
	crashpoint.Here("pipe.taken")
	return nil
}

func ownerOfEnd(w uint32) proctab.Owner { return proctab.Owner(w & proctab.OwnerMask) }

// mine and peer are the words of the two ends.
func (c *Pipe) mine() *atomic.Uint32 { return &c.p.head.ends[c.end] }
func (c *Pipe) peer() *atomic.Uint32 { return &c.p.head.ends[1-c.end] }

// gone reports whether the process at the other end, whose word is w, is dead: it has written all that it ever will.
func (c *Pipe) gone(w uint32) bool {
	o := ownerOfEnd(w)
	return o != 0 && o != c.p.Me && c.p.Table.Dead(o)
}

// release ends the use by one end.
func (p *pipe) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends--
	p.drop()
}

// drop lets go of the memory unless an end of this process needs it. The caller has p.mu.
func (p *pipe) drop() {
	if p.ends == 0 {
		p.released = true
		p.o.Abandon()
	}
}
