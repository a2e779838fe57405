//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A golden is an object of a golden segment.
type golden struct {
	name  string
	write func(seg *shm.Segment) error
	read  func(seg *shm.Segment) error        // and works with it
	open  func(seg *shm.Segment) (any, error) // returns the handle
	spare [][2]int                            // bytes of the payload without a meaning
}

// notGolden are kinds that end with the processes which use them.
var notGolden = []segment.Kind{segment.KindTasks, segment.KindListener}

type sample struct {
	N    int32
	X    float64
	Text [5]uint8
	OK   bool
}

var aSample = sample{-7, 2.5, [5]uint8{'g', 'o', 'l', 'd'}, true}

// want is an error unless got is what it should be.
func want(got, wanted any, err error) error {
	if err == nil && !reflect.DeepEqual(got, wanted) {
		err = fmt.Errorf("got %v, want %v", got, wanted)
	}
	return err
}

// goldenOf is a golden with an object that is made or opened, and then used.
func goldenOf[H any](name string, make, open func(*shm.Segment, string) (H, error), fill, read func(H) error) golden {
	with := func(get func(*shm.Segment, string) (H, error), use func(H) error) func(*shm.Segment) error {
		return func(seg *shm.Segment) error {
			h, err := get(seg, name)
			if err != nil {
				return err
			}
			return use(h)
		}
	}
	return golden{name: name, write: with(make, fill), read: with(open, read), open: func(seg *shm.Segment) (any, error) {
		return open(seg, name)
	}}
}

func (g golden) sparing(spare ...[2]int) golden {
	g.spare = spare
	return g
}

// loaded is the read of an atomic.
func loaded[T any](wanted T) func(interface{ Load() T }) error {
	return func(a interface{ Load() T }) error { return want(a.Load(), wanted, nil) }
}

// optioned is a constructor with the options o.
func optioned[H, O any](f func(*shm.Segment, string, O) (H, error), o O) func(*shm.Segment, string) (H, error) {
	return func(seg *shm.Segment, name string) (H, error) { return f(seg, name, o) }
}

// sized is a constructor of n of something, with no options.
func sized[H, O any, N int | int64](f func(*shm.Segment, string, N, O) (H, error), n N) func(*shm.Segment, string) (H, error) {
	return func(seg *shm.Segment, name string) (H, error) { return f(seg, name, n, *new(O)) }
}

func nothing[H any](H) error { return nil }

func filled[T any](q interface{ TryPut(T) error }, messages ...T) (err error) {
	for _, m := range messages {
		err = errors.Join(err, q.TryPut(m))
	}
	return err
}

// taken is an error unless q holds the messages, and takes another.
func taken[T any](q interface {
	TryPut(T) error
	TryGet() (T, error)
}, messages ...T) error {
	if err := q.TryPut(messages[0]); err != nil {
		return err
	}
	for _, m := range append(slices.Clone(messages), messages[0]) {
		got, err := q.TryGet()
		if err := want(got, m, err); err != nil {
			return err
		}
	}
	return nil
}

// kept is an error unless a reader gets the messages that are kept, and then another.
func kept[T any, R interface{ TryGet() (T, error) }](r R, err error) func(b interface{ TryPut(T) error }, messages ...T) error {
	return func(b interface{ TryPut(T) error }, messages ...T) error {
		if err := errors.Join(err, b.TryPut(messages[0])); err != nil {
			return err
		}
		for _, m := range append(slices.Clone(messages), messages[0]) {
			got, err := r.TryGet()
			if err := want(got, m, err); err != nil {
				return err
			}
		}
		return nil
	}
}

// locked is an error unless l can be locked.
func locked(l shmsync.Lockable) error {
	err := l.Lock(background)
	if err == nil {
		l.Unlock()
	}
	return err
}

var goldens = []golden{
	goldenOf("value", initial(aSample, shm.NewValue[sample]), shm.OpenValue[sample], nothing, func(v *shm.Value[sample]) error {
		got, err := v.Load()
		return errors.Join(want(got, aSample, err), v.Store(background, sample{}))
	}).sparing([2]int{24, 32}),
	goldenOf("raw value", initial(aSample, shm.NewRawValue[sample]), shm.OpenRawValue[sample], nothing,
		func(v *shm.RawValue[sample]) error { return want(v.Load(), aSample, nil) }),
	goldenOf("array", initial(5, shm.NewArray[int16]), shm.OpenArray[int16], func(a *shm.Array[int16]) error {
		return a.Update(background, func(e []int16) error { copy(e, []int16{1, -2, 3, -4, 5}); return nil })
	}, func(a *shm.Array[int16]) error {
		return a.Update(background, func(e []int16) error {
			return want(slices.Clone(e), []int16{1, -2, 3, -4, 5}, nil)
		})
	}).sparing([2]int{44, 64}),
	goldenOf("raw array", initial(3, shm.NewRawArray[float32]), shm.OpenRawArray[float32],
		func(a *shm.RawArray[float32]) error { copy(a.Slice(), []float32{1, 2, 3}); return nil },
		func(a *shm.RawArray[float32]) error { return want(a.Slice(), []float32{1, 2, 3}, nil) }),
	goldenOf("int32", initial[int32](-5, shm.NewInt32), shm.OpenInt32, nothing,
		func(a *shm.Int32) error { return loaded[int32](-5)(a) }).sparing([2]int{4, 64}),
	goldenOf("int64", initial[int64](-6, shm.NewInt64), shm.OpenInt64, nothing,
		func(a *shm.Int64) error { return loaded[int64](-6)(a) }).sparing([2]int{8, 64}),
	goldenOf("uint32", initial[uint32](7, shm.NewUint32), shm.OpenUint32, nothing,
		func(a *shm.Uint32) error { return loaded[uint32](7)(a) }).sparing([2]int{4, 64}),
	goldenOf("uint64", initial[uint64](8, shm.NewUint64), shm.OpenUint64, nothing,
		func(a *shm.Uint64) error { return loaded[uint64](8)(a) }).sparing([2]int{8, 64}),
	goldenOf("float64", initial(9.5, shm.NewFloat64), shm.OpenFloat64, nothing,
		func(a *shm.Float64) error { return loaded(9.5)(a) }).sparing([2]int{8, 64}),
	goldenOf("bool", initial(true, shm.NewBool), shm.OpenBool, nothing,
		func(a *shm.Bool) error { return loaded(true)(a) }),
	goldenOf("counter", shm.NewCounter, shm.OpenCounter, func(c *shm.Counter) error { c.Add(42); return nil },
		func(c *shm.Counter) error { return want(c.Sum(), int64(42), nil) }),

	goldenOf("mutex", optioned(shmsync.NewMutex, shmsync.MutexOptions{}), optioned(shmsync.OpenMutex, shmsync.MutexOptions{}),
		nothing, func(m *shmsync.Mutex) error { return locked(m) }),
	goldenOf("recursive mutex", optioned(shmsync.NewRecursiveMutex, shmsync.MutexOptions{}),
		optioned(shmsync.OpenRecursiveMutex, shmsync.MutexOptions{}), nothing, func(m *shmsync.RecursiveMutex) error {
			h := shmsync.NewHolder()
			if err := errors.Join(m.Lock(background, h), m.Lock(background, h)); err != nil {
				return err
			}
			m.Unlock(h)
			m.Unlock(h)
			return nil
		}),
	goldenOf("rwmutex", optioned(shmsync.NewRWMutex, shmsync.RWMutexOptions{}), optioned(shmsync.OpenRWMutex, shmsync.RWMutexOptions{}),
		nothing, func(m *shmsync.RWMutex) error {
			err := errors.Join(locked(m), m.RLock(background))
			if err == nil {
				m.RUnlock()
			}
			return err
		}),
	goldenOf("semaphore", sized(shmsync.NewSemaphore, int64(3)), optioned(shmsync.OpenSemaphore, shmsync.SemaphoreOptions{}),
		func(s *shmsync.Semaphore) error { return s.Acquire(background, 1) },
		func(s *shmsync.Semaphore) error { return want(s.Available(), int64(2), nil) }),
	goldenOf("cond", optioned(shmsync.NewCond, shmsync.CondOptions{}), optioned(shmsync.OpenCond, shmsync.CondOptions{}),
		nothing, func(c *shmsync.Cond) error { c.Broadcast(); return want(c.Waiting(), 0, nil) }),
	goldenOf("event", optioned(shmsync.NewEvent, shmsync.EventOptions{}), optioned(shmsync.OpenEvent, shmsync.EventOptions{}),
		func(e *shmsync.Event) error { e.Set(); return nil }, func(e *shmsync.Event) error { return e.Wait(background) }),
	goldenOf("barrier", sized(shmsync.NewBarrier, 1), optioned(shmsync.OpenBarrier, shmsync.BarrierOptions{}),
		nothing, func(b *shmsync.Barrier) error {
			_, err := b.Wait(background)
			return want(b.Parties(), 1, err)
		}),
	goldenOf("once", optioned(shmsync.NewOnce, shmsync.OnceOptions{}), optioned(shmsync.OpenOnce, shmsync.OnceOptions{}),
		func(o *shmsync.Once) error { return o.Do(background, func() error { return nil }) },
		func(o *shmsync.Once) error { return want(o.Done(), true, nil) }),
	goldenOf("wait group", optioned(shmsync.NewWaitGroup, shmsync.WaitGroupOptions{}),
		optioned(shmsync.OpenWaitGroup, shmsync.WaitGroupOptions{}), func(g *shmsync.WaitGroup) error { return g.Add(2) },
		func(g *shmsync.WaitGroup) error { return errors.Join(g.Done(), g.Done(), g.Wait(background)) }),

	goldenOf("queue", sized(queue.NewQueue[int64], 8), optioned(queue.OpenQueue[int64], queue.Options{}),
		func(q *queue.Queue[int64]) error { return filled(q, 1, 2, 3) },
		func(q *queue.Queue[int64]) error { return taken(q, 1, 2, 3) }),
	goldenOf("spsc", sized(queue.NewSPSC[sample], 8), optioned(queue.OpenSPSC[sample], queue.Options{}),
		func(q *queue.SPSC[sample]) error { return filled(q, aSample, sample{}) },
		func(q *queue.SPSC[sample]) error { return taken(q, aSample, sample{}) }),
	goldenOf("broadcast", func(seg *shm.Segment, name string) (*queue.Broadcast[int64], error) {
		return queue.NewBroadcast[int64](seg, name, 8, queue.Options{WhenFull: queue.DropOldest})
	}, optioned(queue.OpenBroadcast[int64], queue.Options{}),
		func(b *queue.Broadcast[int64]) error { return errors.Join(b.Put(background, 4), b.Put(background, 5)) },
		func(b *queue.Broadcast[int64]) error {
			got, err := b.Latest()
			return want(got, int64(5), err)
		}),
	goldenOf("waiting broadcast", sized(queue.NewBroadcast[int64], 8), optioned(queue.OpenBroadcast[int64], queue.Options{}),
		func(b *queue.Broadcast[int64]) error { return filled(b, 4, 5) },
		func(b *queue.Broadcast[int64]) error { return kept(b.Subscribe(queue.FromOldest))(b, 4, 5) }).
		sparing([2]int{28, 32}, [2]int{136, 256}, [2]int{304, 384}, [2]int{404, 512}, [2]int{540, 544}, [2]int{560, 640}),
	goldenOf("broadcast bytes", sized(queue.NewBroadcastBytes, 1000), optioned(queue.OpenBroadcastBytes, queue.Options{}),
		func(b *queue.BroadcastBytes) error { return filled(b, []byte("one"), []byte("another")) },
		func(b *queue.BroadcastBytes) error {
			return kept(b.Subscribe(queue.FromOldest))(b, []byte("one"), []byte("another"))
		}),
	goldenOf("broadcast objects", sized(queue.NewBroadcastObjects[map[string]int], 1000),
		optioned(queue.OpenBroadcastObjects[map[string]int], queue.Options{}),
		func(q *queue.BroadcastObjects[map[string]int]) error { return filled(q, map[string]int{"a": 1}) },
		func(q *queue.BroadcastObjects[map[string]int]) error {
			return kept(q.Subscribe(queue.FromOldest))(q, map[string]int{"a": 1})
		}),
	goldenOf("bytes", sized(queue.NewBytes, 1000), optioned(queue.OpenBytes, queue.Options{}),
		func(b *queue.Bytes) error { return filled(b, []byte("one"), []byte("another")) },
		func(b *queue.Bytes) error { return taken(b, []byte("one"), []byte("another")) }),
	goldenOf("objects", sized(queue.NewObjects[map[string]int], 1000), optioned(queue.OpenObjects[map[string]int], queue.Options{}),
		func(q *queue.Objects[map[string]int]) error { return filled(q, map[string]int{"a": 1, "b": -2}) },
		func(q *queue.Objects[map[string]int]) error { return taken(q, map[string]int{"a": 1, "b": -2}) }),
	goldenOf("pipe", optioned(pipe.New, pipe.Options{Buffer: 64}), optioned(pipe.Open, pipe.Options{}),
		func(c *pipe.Conn) error {
			_, err := c.Write([]byte("hello"))
			return errors.Join(err, c.Close())
		},
		func(c *pipe.Conn) error {
			got, err := io.ReadAll(c)
			return errors.Join(want(string(got), "hello", err), c.Close())
		}),

	goldenOf("dict", goldenDict[string, string], shm.OpenDict[string, string], func(d *shm.Dict[string, string]) error {
		return errors.Join(d.Set(background, "stays", "as it is"), d.Set(background, "changes", "once"), d.Set(background, "changes", "twice"),
			d.SetFor(background, "expires", "some day", time.Hour))
	}, func(d *shm.Dict[string, string]) error {
		a, _, err1 := d.Get("stays")
		b, _, err2 := d.Get("changes")
		return errors.Join(want([]string{a, b}, []string{"as it is", "twice"}, errors.Join(err1, err2)), d.Set(background, "new", "value"))
	}).sparing([2]int{52, 128}, [2]int{128 + 72, 128 + 128}, [2]int{128 + 248, 128 + 256}),
	goldenOf("dict of words", goldenDict[uint64, int64], shm.OpenDict[uint64, int64], func(d *shm.Dict[uint64, int64]) error {
		return errors.Join(d.Set(background, 1, -1), d.Set(background, 2, -2))
	}, func(d *shm.Dict[uint64, int64]) error {
		a, _, err1 := d.Get(1)
		b, _, err2 := d.Get(2)
		return errors.Join(want([]int64{a, b}, []int64{-1, -2}, errors.Join(err1, err2)), d.Set(background, 3, -3))
	}).sparing([2]int{52, 128}, [2]int{128 + 72, 128 + 128}, [2]int{128 + 248, 128 + 256}),
	goldenOf("var", initial([]string{"first"}, shm.NewVar[[]string]), shm.OpenVar[[]string],
		func(v *shm.Var[[]string]) error { return v.Store(background, []string{"second", "value"}) },
		func(v *shm.Var[[]string]) error {
			got, err := v.Load()
			return errors.Join(want(got, []string{"second", "value"}, err), v.Store(background, nil))
		}).sparing([2]int{80, 128}),
	goldenOf("list", shm.NewList[int64], shm.OpenList[int64], func(l *shm.List[int64]) error {
		_, err := l.Append(background, 7, 8, 9)
		return errors.Join(err, l.Set(background, 1, -8))
	}, func(l *shm.List[int64]) error {
		got, err := l.At(1)
		_, err2 := l.Append(background, 10)
		return errors.Join(want([]int64{got, int64(l.Len())}, []int64{-8, 4}, err), err2)
	}),
}

// goldenDict makes a Dict with few locks.
func goldenDict[K comparable, V any](seg *shm.Segment, name string) (*shm.Dict[K, V], error) {
	return shm.NewDict[K, V](seg, name, shm.DictOptions{})
}
