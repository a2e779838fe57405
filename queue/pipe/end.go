package pipe

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
	"github.com/shmkit/shmkit/queue"
)

// A pipe is one process's view of a pipe. Both ends share it where both are in the process.
type pipe struct {
	ring.View
	o       *segment.Object
	head    *head
	streams [2]stream.Stream

	moving [4]moving // see direction; two for each end

	mu       sync.Mutex
	ends     int  // of this process that are not closed; guarded by mu
	released bool // the memory may be another object's; guarded by mu
}

// moving is 1 while bytes are read, or written, at an end, and a close of the segment waits for
// that.
type moving struct {
	atomic.Uint64
	_ [120]byte // the ends may be at work on several processors
}

// errReleased says that the process has let go of an object that it is about to use.
var errReleased = errors.New("released")

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// initialize makes a new pipe, with streams that begin at position start.
func initialize(mem []byte, capacity, start uint64) {
	h := headIn(mem)
	h.capacity = capacity
	for i := range h.streams {
		h.streams[i].Start(start)
	}
}

// view checks what an object's head says against the object's size.
func view(o *segment.Object) (*pipe, error) {
	layout := ring.Layout{Head: headBytes, Stride: 2, Min: minBuffer, Max: maxBuffer}
	capacity, _, err := layout.Capacity(o)
	if err != nil {
		return nil, err
	}
	p := &pipe{View: ring.NewView(o, "pipe"), o: o, head: headIn(o.Payload)}
	rings := o.Payload[headBytes:]
	for i := range p.streams {
		p.streams[i].Bind(o, &p.head.streams[i], &p.head.events[i], rings[uint64(i)*capacity:][:capacity:capacity])
	}
	return p, nil
}

// pipeOf is this process's view of a pipe.
func pipeOf(o *segment.Object) (*pipe, error) {
	return ring.ViewOf(o, func() (*pipe, error) { return view(o) }, (*pipe).busy)
}

// busy reports whether a goroutine of this process is moving bytes just now, and does not come to
// an end. The close of the segment has ended its waits.
func (p *pipe) busy() bool {
	// a goroutine that has not announced itself sees that the segment is being closed
	ring.Barrier()
	return !p.QuietSurely(func() bool {
		for i := range p.moving {
			if p.moving[i].Load() != 0 {
				return false
			}
		}
		return true
	})
}

// takeEnd gives c an end of the pipe that find finds.
func takeEnd(c *Conn, end int, find func() (*segment.Object, error)) error {
	for {
		o, err := find()
		if err != nil {
			return fmt.Errorf("pipe: %w", err)
		}
		p, err := pipeOf(o)
		if err != nil {
			return fmt.Errorf("pipe: %w", err)
		}
		if err = p.take(c, end); err != errReleased {
			return err
		}
	}
}

// take makes this process the owner of an end.
//
// What a death leaves behind: an end that belongs to a dead process, or that is still free.
func (p *pipe) take(c *Conn, end int) error {
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
	// A waiter at the other end waits for this process from now on, and watches its life.
	c.in.Put.Event.NotifyAll()
	c.out.Get.Event.NotifyAll()
	return nil
}

// refuse marks an end as one that no process ever takes, and tells the other one. It reports false
// when the end has an owner already.
//
// What a death leaves behind: an end that is still free, or that is marked.
func (p *pipe) refuse(end int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return true // the last user of the memory in this process had refused it, or had an end
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
func (c *Conn) bind(p *pipe, end int) {
	c.p, c.end, c.in, c.out = p, end, &p.streams[1-end], &p.streams[end]
	c.local, c.remote = p.addr(end), p.addr(1-end)
	c.rd.moving, c.wr.moving = &p.moving[2*end].Uint64, &p.moving[2*end+1].Uint64
	c.in.StartReader()
	c.out.StartWriter()
	c.users.Store(3)
	c.bindWaits()
}

// claim writes this process into the word of an end, as its owner.
func (p *pipe) claim(end int) error {
	word := &p.head.ends[end]
	// SYNC: end: a process that sees the owner can watch its life.
	if !word.CompareAndSwap(0, uint32(p.Me)) {
		owner, _ := p.Table.Info(ownerOfEnd(word.Load()))
		return fmt.Errorf("%w: end %d of pipe %q of %s belongs, or belonged, to %v: an end has one owner for good",
			queue.ErrRoleTaken, end+1, p.o.Name, p.o.Seg.Path(), owner)
	}
	crashpoint.Here("pipe.taken")
	return nil
}

func ownerOfEnd(w uint32) proctab.Owner { return proctab.Owner(w & proctab.OwnerMask) }

// mine and peer are the words of the two ends.
func (c *Conn) mine() *atomic.Uint32 { return &c.p.head.ends[c.end] }
func (c *Conn) peer() *atomic.Uint32 { return &c.p.head.ends[1-c.end] }

// ownerDead reports whether the process at the other end, as word w says, is dead: it has written
// all that it ever will.
func (c *Conn) ownerDead(w uint32) bool {
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

// drop lets go of the memory unless an end of this process needs it. The caller holds p.mu.
func (p *pipe) drop() {
	if p.ends == 0 {
		p.released = true
		p.o.Abandon()
	}
}
