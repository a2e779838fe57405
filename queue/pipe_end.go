package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// A pipe is one process's view of a pipe. Where both ends are in the process, they share it.
type pipe struct {
	o       *segment.Object
	head    *pipeHead
	streams [2]stream
	me      proctab.Owner
	table   *proctab.Table
	closer  *wait.Closer
	bad     error // an [shm.ErrCorrupt] that names the pipe

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
		w := &h.streams[i]
		w.tail.Store(start)
		w.freed.Store(start)
		w.read.Store(start)
	}
}

// viewPipe checks what an object's head says against the object's size.
func viewPipe(o *segment.Object) (*pipe, error) {
	if len(o.Payload) < pipeHeadBytes {
		return nil, damaged(o)
	}
	head := pipeHeadIn(o.Payload)
	capacity := head.capacity
	if capacity < minPipeBuffer || capacity > maxPipeBuffer || capacity&(capacity-1) != 0 ||
		uint64(len(o.Payload)-pipeHeadBytes) != 2*capacity {
		return nil, damaged(o)
	}
	party := o.Party()
	p := &pipe{
		o: o, head: head, me: o.Seg.Me(), table: o.Seg.Table(), closer: party.Closer,
		bad: fmt.Errorf("%v %q of %s: %w: its words make no sense", o.Kind, o.Name, o.Seg.Path(), shm.ErrCorrupt),
	}
	rings := o.Payload[pipeHeadBytes:]
	for i := range p.streams {
		s := &p.streams[i]
		s.words = &head.streams[i]
		s.ring = rings[uint64(i)*capacity:][:capacity:capacity]
		s.mask = capacity - 1
		s.batch = capacity / 8
		s.put.single, s.get.single = true, true // under the locks of the Pipe
		s.put.event = lock.NewEventCount(party, head.events[i].notFull[:])
		s.get.event = lock.NewEventCount(party, head.events[i].notEmpty[:])
		s.put.event.Target = o.Target(lock.RolePut)
		s.get.event.Target = o.Target(lock.RoleGet)
	}
	return p, nil
}

// pipeOf is this process's view of a pipe.
func pipeOf(o *segment.Object) (*pipe, error) {
	return viewOf(o, func() (*pipe, error) { return viewPipe(o) }, nil)
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
	c.in.put.event.NotifyAll()
	c.out.get.event.NotifyAll()
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
		p.streams[end].get.event.NotifyAll()
		p.streams[1-end].put.event.NotifyAll()
	}
	refused := ownerOfEnd(word.Load()) == 0
	p.drop()
	return refused
}

// bind makes c the end of p that this process has taken.
func (c *Pipe) bind(p *pipe, end int) {
	c.p, c.end, c.in, c.out = p, end, &p.streams[1-end], &p.streams[end]
	c.local, c.remote = p.addr(end), p.addr(1-end)
	g, o := &c.in.get, &c.out.put
	g.next, o.next = c.in.words.read.Load(), c.out.words.tail.Load()
	g.until, g.given, o.until = g.next, g.next, o.next
	c.users.Store(3)
	c.rd.look = func() bool { c.rd.err = c.data(atWords); return c.rd.err != errWait }
	c.rd.stare = func() bool { c.rd.err = c.data(c.closely(&c.rd)); return c.rd.err != errWait }
	c.rd.gaze = func() bool { glance(&c.in.words.tail, g.next, &c.in.ring[g.next&c.in.mask]); return c.rd.look() }
	c.wr.look = func() bool { c.wr.err = c.room(atWords); return c.wr.err != errWait }
	c.wr.stare = func() bool { c.wr.err = c.room(c.closely(&c.wr)); return c.wr.err != errWait }
	c.wr.gaze = c.wr.look
	c.rd.watch, c.wr.watch = c.watch, c.watch
}

// claim writes down this process as the one that has an end.
func (p *pipe) claim(end int) error {
	word := &p.head.ends[end]
	// SYNC: end: who sees the owner can watch its life.
	if !word.CompareAndSwap(0, uint32(p.me)) {
		who, _ := p.table.Info(ownerOfEnd(word.Load()))
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
	return o != 0 && o != c.p.me && c.p.table.Dead(o)
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
