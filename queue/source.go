package queue

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/cast"
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
			Event: r.Consumers.Event, Policy: q.policy,
			Ready: func() bool {
				if ready, sure := r.FrontPlainly(); sure {
					held = ring.Nobody
					return ready
				}
				var err error
				_, held, err = r.Front()
				runtime.KeepAlive(q)
				return err != ErrEmpty && err != ring.ErrHeld
			},
			More:  r.SecondMessage,
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
			Event: r.Producers.Event, Policy: q.policy,
			Ready: func() bool {
				var err error
				held, err = r.Vacant()
				runtime.KeepAlive(q)
				return err != ErrFull && err != ring.ErrHeld
			},
			More:  r.SecondRoom,
			Watch: func(w *lock.Watch) { w.Process(held) },
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
// As Get does, it makes this process the consumer: the goroutine that waits is the one that gets.
func (q *SPSC[T]) Gets() shmsync.Source {
	return source(func() lock.Source {
		r := q.r
		return lock.Source{
			Event: r.Get.Event, Policy: q.policy,
			Ready: func() bool {
				ready := r.HasMessages() || r.Messages() != ErrEmpty
				runtime.KeepAlive(q)
				return ready
			},
			Watch: r.WatchProducer,
		}
	})
}

// Puts is a source for [shmsync.NewSelect] that is ready when TryPut would not return [ErrFull]. As
// Put does, it makes this process the producer: the goroutine that waits is the one that puts.
func (q *SPSC[T]) Puts() shmsync.Source {
	return source(func() lock.Source {
		r := q.r
		return lock.Source{
			Event: r.Put.Event, Policy: q.policy,
			Ready: func() bool {
				ready := r.Room() != ErrFull
				runtime.KeepAlive(q)
				return ready
			},
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
// The goroutine that waits is the one that uses r.
func (r *Reader[T]) Gets() shmsync.Source {
	if r.c != nil {
		return readerSource(r.c, r)
	}
	return source(func() lock.Source {
		b := r.b.old
		return lock.Source{
			Event: b.Readers.Event, Policy: r.b.policy,
			Ready: func() bool {
				ready := b.Ready(r.old.next)
				runtime.KeepAlive(r)
				return ready
			},
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
// The goroutine that waits is the one that uses r.
func (r *BytesReader) Gets() shmsync.Source { return readerSource(r.c, r) }

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
// The goroutine that waits is the one that uses r.
func (r *ObjectsReader[T]) Gets() shmsync.Source { return r.r.Gets() }

// readerSource is a source that is ready when the reader c has a message. Keep is kept alive.
func readerSource(c *cast.Reader, keep any) shmsync.Source {
	return source(func() lock.Source {
		return lock.Source{
			Event: c.Event(), Policy: c.Policy(), Watch: c.Watch,
			Ready: func() bool {
				ready := c.Ready()
				runtime.KeepAlive(keep)
				return ready
			},
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
func (b *Bytes) Gets() shmsync.Source {
	return source(func() lock.Source {
		r := b.r
		var held proctab.Owner
		var end uint64 // of the oldest message
		return lock.Source{
			Event: r.Consumers.Event, Policy: b.policy,
			Ready: func() (ready bool) {
				ready, end, held = r.Oldest()
				runtime.KeepAlive(b)
				return ready
			},
			More:  func() bool { return r.EndsAfter(end) },
			Watch: func(w *lock.Watch) { w.Process(held) },
		}
	})
}

// Puts is a source for [shmsync.NewSelect] that is ready when there is room for the message for
// which the last TryPut of this handle has returned [ErrFull], or for an empty one when none has.
func (b *Bytes) Puts() shmsync.Source {
	return source(func() lock.Source {
		r := b.r
		return lock.Source{
			Event: r.Producers.Event, Policy: b.policy,
			Ready: func() bool {
				ready := r.HasRoom(b.refused.Load())
				runtime.KeepAlive(b)
				return ready
			},
			More:  func() bool { return true }, // room for one message may be enough for several
			Watch: func(w *lock.Watch) { w.Process(r.Holder()) },
		}
	})
}

// Gets is a source for [shmsync.NewSelect] that is ready when TryGet would not return [ErrEmpty].
func (q *Objects[T]) Gets() shmsync.Source { return q.b.Gets() }

// Puts is a source for [shmsync.NewSelect] that is ready when there is room for the value for which
// the last TryPut of this handle has returned [ErrFull], or for the smallest one when none has.
func (q *Objects[T]) Puts() shmsync.Source { return q.b.Puts() }
