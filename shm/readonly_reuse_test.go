//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A lookKind is a kind of object that a process looks at while objects are removed and their memory
// is used again.
type lookKind struct {
	name string
	// make makes an object that is complete: each of its parts is n, which is not 0.
	make func(seg *shm.Segment, name string, n int64)
	// open returns a look at the object, which gives a part of it, and 0 or an error when it is not
	// there any more.
	open func(seg *shm.Segment, name string) (look func() (int64, error), err error)
}

func partsOf(n int64) (p parts) { p.set(n); return p }

// wholly is what all parts are, or -1.
func wholly(p *parts) int64 {
	if !p.whole() {
		return -1
	}
	return p[0]
}

// lookOf makes the look of a handle.
func lookOf[H any](h H, err error, look func(H) (int64, error)) (func() (int64, error), error) {
	return func() (int64, error) { return look(h) }, err
}

var lookKinds = []lookKind{
	{"Value",
		func(seg *shm.Segment, name string, n int64) { need(shm.NewValue(seg, name, partsOf(n))) },
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenValue[parts](seg, name)
			return lookOf(h, err, func(v *shm.Value[parts]) (int64, error) {
				p, err := v.Load()
				return wholly(&p), err
			})
		}},
	{"Array",
		func(seg *shm.Segment, name string, n int64) {
			a := need(shm.NewArray[int64](seg, name, len(parts{})))
			must(a.Update(background, func(e []int64) error { (*parts)(e).set(n); return nil }))
		},
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenArray[int64](seg, name)
			turn := 0
			return lookOf(h, err, func(a *shm.Array[int64]) (n int64, err error) {
				var p parts
				switch turn++; turn % 3 {
				case 0:
					return a.At(background, turn%len(p))
				case 1:
					_, err = a.Copy(background, p[:], 0)
				default:
					err = a.Read(background, func(e []int64) error { p = parts(e); return nil })
				}
				return wholly(&p), err
			})
		}},
	{"RawArray",
		func(seg *shm.Segment, name string, n int64) {
			a := need(shm.NewRawArray[int64](seg, name, len(parts{})))
			(*parts)(a.Slice()).set(n)
		},
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenRawArray[int64](seg, name)
			return lookOf(h, err, func(a *shm.RawArray[int64]) (int64, error) { return a.At(17), nil })
		}},
	{"RawValue",
		func(seg *shm.Segment, name string, n int64) { need(shm.NewRawValue(seg, name, partsOf(n))) },
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenRawValue[parts](seg, name)
			return lookOf(h, err, func(v *shm.RawValue[parts]) (int64, error) {
				p := v.Load()
				return wholly(&p), nil
			})
		}},
	{"Int64",
		func(seg *shm.Segment, name string, n int64) { need(shm.NewInt64(seg, name, n)) },
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenInt64(seg, name)
			return lookOf(h, err, func(v *shm.Int64) (int64, error) { return v.Load(), nil })
		}},
	{"Counter",
		func(seg *shm.Segment, name string, n int64) { need(shm.NewCounter(seg, name)).Add(n) },
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenCounter(seg, name)
			return lookOf(h, err, func(c *shm.Counter) (int64, error) { return c.Sum(), nil })
		}},
	{"Var",
		func(seg *shm.Segment, name string, n int64) { need(shm.NewVar(seg, name, fmt.Sprintf("%0100d", n))) },
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenVar[string](seg, name)
			return lookOf(h, err, func(v *shm.Var[string]) (int64, error) {
				s, err := v.Load()
				if err != nil {
					return 0, err
				}
				return need(strconv.ParseInt(s, 10, 64)), nil
			})
		}},
	{"Dict",
		func(seg *shm.Segment, name string, n int64) {
			d := need(shm.NewDict[string, parts](seg, name, shm.DictOptions{Capacity: 8}))
			must(d.Set(background, "key", partsOf(n)))
		},
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenDict[string, parts](seg, name)
			return lookOf(h, err, func(d *shm.Dict[string, parts]) (int64, error) {
				p, ok, err := d.Get("key")
				if err == nil && !ok {
					return -2, nil
				}
				return wholly(&p), err
			})
		}},
	{"words",
		func(seg *shm.Segment, name string, n int64) {
			d := need(shm.NewDict[int64, int64](seg, name, shm.DictOptions{Capacity: 8}))
			must(d.Set(background, 1, n))
		},
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenDict[int64, int64](seg, name)
			return lookOf(h, err, func(d *shm.Dict[int64, int64]) (int64, error) {
				n, ok, err := d.Get(1)
				if err == nil && !ok {
					return -2, nil
				}
				return n, err
			})
		}},
	{"List",
		func(seg *shm.Segment, name string, n int64) {
			need(need(shm.NewList[parts](seg, name)).Append(background, partsOf(n), partsOf(n)))
		},
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := shm.OpenList[parts](seg, name)
			return lookOf(h, err, func(l *shm.List[parts]) (int64, error) {
				p, err := l.At(1)
				return wholly(&p), err
			})
		}},
	{"Queue",
		func(seg *shm.Segment, name string, n int64) {
			q := need(queue.NewQueue[int64](seg, name, queueOf(n), queue.Options{}))
			for range queueOf(n) {
				must(q.TryPut(n))
			}
		},
		func(seg *shm.Segment, name string) (func() (int64, error), error) {
			h, err := queue.OpenQueue[int64](seg, name, queue.Options{})
			n, _ := strconv.ParseInt(name, 10, 64)
			return lookOf(h, err, func(q *queue.Queue[int64]) (int64, error) {
				switch q.Len() {
				case queueOf(n):
					return n, nil
				case 0:
					return 0, nil
				}
				return -1, nil
			})
		}},
}

// queueOf is how many messages the n-th object has if it is a queue.
func queueOf(n int64) int { return 1 + int(n%16) }

const (
	keptObjects = 12       // how many of the newest objects are there at a time
	newest      = "newest" // the number of the newest object that is complete
)

// recycler: SEGMENT. It makes objects, which are called by their numbers, and removes the oldest,
// until it hears something.
var roleRecycler = proctest.Register("recycler", func(args []string) {
	seg := need(shm.Open(args[0]))
	last := need(shm.OpenInt64(seg, newest))
	stop := make(chan struct{})
	go func() { proctest.Hear(); close(stop) }()
	for n := int64(1); ; n++ {
		select {
		case <-stop:
			must(seg.Close())
			return
		default:
		}
		name := strconv.FormatInt(n, 10)
		lookKinds[n%int64(len(lookKinds))].make(seg, name, n)
		last.Store(n)
		if n > keptObjects {
			must(seg.RemoveObject(strconv.FormatInt(n-keptObjects, 10)))
		}
	}
})

// A process that only reads looks at objects until they are removed, while another process makes
// new ones in their memory. No look shows a byte of another object: it shows the object, or says
// that it was removed.
func TestReadOnlyNeverShowsAnotherObject(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 2 << 20, Objects: 64, Processes: 4})
	need(shm.NewInt64(seg, newest, 0))
	c := proctest.Start(t, roleRecycler, seg.Path())
	reader := need(shm.OpenReadOnly(seg.Path()))
	last := need(shm.OpenInt64(reader, newest))
	proctest.Eventually(t, proctest.Hang, func() bool { return last.Load() > keptObjects }, "objects are made")

	looks, removed := 0, 0
	least := 1_000_000
	if testing.Short() {
		least = 100_000
	}
	for looks < least || removed < 100 {
		n := last.Load()
		kind := lookKinds[n%int64(len(lookKinds))]
		look, err := kind.open(reader, strconv.FormatInt(n, 10))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, shm.ErrRemoved) {
			continue // it is gone already, or was removed while it was opened
		}
		if err != nil {
			t.Fatalf("open %s %d: %v", kind.name, n, err)
		}
		for ; ; looks++ {
			got, err := look()
			if errors.Is(err, shm.ErrRemoved) || err == nil && got == 0 {
				removed++
				break
			}
			if err != nil || got != n {
				t.Fatalf("%s %d shows %d, %v", kind.name, n, got, err)
			}
		}
	}
	t.Logf("%d looks, %d of %d objects seen to be removed", looks, removed, last.Load())
	c.Send("stop")
	c.WaitOK()
	wantOK(t, reader.Close())
}
