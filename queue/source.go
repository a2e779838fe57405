package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	shmsync "github.com/shmkit/shmkit/sync"
)

// source is what a Select sees of one end of a queue. Each Select that the Source is given to calls
// open for itself.
func source(open func() lock.Source) shmsync.Source { return lock.PublicSource(open).(shmsync.Source) }

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
func (q *Queue[T]) Gets() shmsync.Source {
	return source(func() lock.Source {
		r := q.r
		var held proctab.Owner
		return lock.Source{
			Event: r.consumers.Event, Policy: q.policy,
			Ready: func() bool {
				if ready, sure := r.plainly(); sure {
					held = ring.Nobody
					return ready
				}
				var err error
				_, held, err = r.front()
				runtime.KeepAlive(q)
				return err != ErrEmpty && err != ring.ErrHeld
			},
			More:  r.secondMessage,
			Watch: func(w *lock.Watch) { w.Process(held) },
		}
	})
}

// Puts is a source for [shmsync.NewSelect] that is ready when TryPut would not return [ErrFull].
func (q *Queue[T]) Puts() shmsync.Source {
	return source(func() lock.Source {
		r := q.r
		var held proctab.Owner
		return lock.Source{
			Event: r.producers.Event, Policy: q.policy,
			Ready: func() bool {
				var err error
				held, err = r.vacant()
				runtime.KeepAlive(q)
				return err != ErrFull && err != ring.ErrHeld
			},
			More:  r.secondRoom,
			Watch: func(w *lock.Watch) { w.Process(held) },
		}
	})
}

// plainly reports whether there is a message, as front finds it at its first step, which is what
// the looks of a Select mostly find. It is not sure when that takes more than one step.
func (r *mpmcRing) plainly() (ready, sure bool) {
	p := r.gets.from()
	lap := uint64(r.lap(p))
	switch r.slot(p).state.Load() {
	case full | lap:
		return true, true
	case empty | lap:
		return false, r.head.closed.Load() == 0
	}
	return false, false
}

// secondMessage and secondRoom report whether there are two messages, or rooms, one behind the
// other.
func (r *mpmcRing) secondMessage() bool {
	p, far := r.next(&r.gets)
	return far >= isFull && r.stageAt(p+1) == isFull
}

func (r *mpmcRing) secondRoom() bool {
	p, far := r.next(&r.puts)
	return far >= isEmpty && r.stageAt(p+1) == isEmpty
}

func (r *mpmcRing) stageAt(p uint64) stage { return stageOf(r.slot(p).state.Load(), r.lap(p)) }

// vacant finds out whether there is room, as claimPut does, which frees on its way what dead
// processes have left.
//
// Errors: [ErrFull], [ring.ErrHeld] with the living process that has to finish first, [ErrClosed],
// [shm.ErrClosed], [shm.ErrCorrupt].
func (r *mpmcRing) vacant() (held proctab.Owner, err error) {
	if err := r.closedForPut(); err != nil {
		return ring.Nobody, err
	}
	p := r.puts.from()
	for range r.tries() {
		s := r.slot(p)
		w := s.state.Load()
		switch stage := stageOf(w, r.lap(p)); {
		case stage == isEmpty && ownerOf(w) == ring.Nobody:
			return ring.Nobody, nil
		case isWriting <= stage && stage <= mostPassed: // the position is taken
			p++
		case isWriting-perLap <= stage && stage <= isReading-perLap:
			if held, err := r.blocked(s, w); err != nil {
				return held, err
			}
		default:
			if p, err = r.again(&r.puts, p); err != nil {
				return ring.Nobody, err
			}
		}
	}
	return ring.Nobody, r.corrupt()
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
// As Get does, it makes this process the consumer: the goroutine that waits is the one that gets.
func (q *SPSC[T]) Gets() shmsync.Source {
	return source(func() lock.Source {
		r := q.r
		return lock.Source{
			Event: r.get.Event, Policy: q.policy,
			Ready: func() bool {
				ready := r.get.next != r.get.until || r.messages() != ErrEmpty
				runtime.KeepAlive(q)
				return ready
			},
			Watch: r.watch,
		}
	})
}

// Puts is a source for [shmsync.NewSelect] that is ready when TryPut would not return [ErrFull]. As
// Put does, it makes this process the producer: the goroutine that waits is the one that puts.
func (q *SPSC[T]) Puts() shmsync.Source {
	return source(func() lock.Source {
		r := q.r
		return lock.Source{
			Event: r.put.Event, Policy: q.policy,
			Ready: func() bool {
				ready := r.room(exactly) != ErrFull
				runtime.KeepAlive(q)
				return ready
			},
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
// The goroutine that waits is the one that uses r.
func (r *Reader[T]) Gets() shmsync.Source {
	return source(func() lock.Source {
		return lock.Source{
			Event: r.b.r.news.Event, Policy: r.b.policy,
			Ready: func() bool {
				ready := r.b.r.ready(r.next)
				runtime.KeepAlive(r)
				return ready
			},
		}
	})
}

// ready reports whether a reader whose next message is that of position p would not find the
// Broadcast empty.
func (r *broadcast) ready(p uint64) bool {
	if r.Closer.Closed() {
		return true
	}
	early := func() bool { return int64(r.slot(p).sequence.Load()-complete(p)) < 0 }
	return !early() || r.head.closed.Load() != 0
}
