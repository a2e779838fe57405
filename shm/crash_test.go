//go:build crashtest && linux

package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// wide is a value that is whole when all its parts are equal.
type wide [64]int64

func wideOf(n int64) (w wide) {
	for i := range w {
		w[i] = n
	}
	return w
}

func (w wide) whole() bool { return w == wideOf(w[0]) }

// A crashScene is an operation that a victim is killed in, at its first crash point, its second, and so on until it
// completes. Before it all that is there is made of ones, and the victim makes it twos.
type crashScene struct {
	name  string
	act   func(w *ward) error // in the victim
	check func(t *testing.T, w *ward, completed bool)
}

// A ward is one process's view of the segment.
type ward struct {
	seg *shm.Segment
	v   *shm.Value[wide]
	a   *shm.Array[wide]
}

const wardLen = 20

func newWard(seg *shm.Segment) *ward {
	return &ward{seg, need(shm.NewValue(seg, "v", wideOf(1))), need(shm.NewArray[wide](seg, "a", wardLen))}
}

func fillWide(e []wide, n int64) {
	for i := range e {
		e[i] = wideOf(n)
	}
}

var crashScenes = []crashScene{
	{"Value.Store", func(w *ward) error { return w.v.Store(background, wideOf(2)) }, valueIsWhole},
	{"Value.Update", func(w *ward) error {
		return w.v.Update(background, func(v *wide) error {
			for i := range v {
				v[i]++
				if i == 30 {
					crashpoint.Here("test.half")
				}
			}
			return nil
		})
	}, valueIsWhole},
	{"Array.Set", func(w *ward) error { return w.a.Set(background, 3, wideOf(2)) }, func(t *testing.T, w *ward, completed bool) {
		e := w.elements(t)
		oldOrNew(t, e[3], completed)
		for i, e := range e {
			if i != 3 && e != wideOf(1) {
				t.Errorf("element %d, which was not set: %v", i, e)
			}
		}
	}},
	{"Array.Update", twosInArray, arrayIsWhole},
	{"Array.Update-that-fails", func(w *ward) error {
		err := w.a.Update(background, func(e []wide) error {
			fillWide(e[:12], 2)
			return errMine
		})
		if err != errMine {
			return err
		}
		return nil
	}, func(t *testing.T, w *ward, _ bool) {
		for i, e := range w.elements(t) {
			if e != wideOf(1) {
				t.Errorf("element %d is %v", i, e)
			}
		}
	}},
	{"create-Value", func(w *ward) error { _, err := shm.NewValue(w.seg, "new", wideOf(3)); return err }, func(t *testing.T, w *ward, completed bool) {
		if _, err := shm.OpenValue[wide](w.seg, "new"); err != nil && (completed || !errors.Is(err, fs.ErrNotExist)) {
			t.Error(err)
		}
		if got := need(need(shm.NewValue(w.seg, "new", wideOf(3))).Load()); got != wideOf(3) {
			t.Errorf("the new Value is %v", got)
		}
	}},
	{"create-Array", func(w *ward) error { _, err := shm.NewArray[wide](w.seg, "new", 50); return err }, func(t *testing.T, w *ward, completed bool) {
		if _, err := shm.OpenArray[wide](w.seg, "new"); err != nil && (completed || !errors.Is(err, fs.ErrNotExist)) {
			t.Error(err)
		}
		for _, e := range need(shm.NewArray[wide](w.seg, "new", 50)).All() {
			if e != (wide{}) {
				t.Error("the new Array is not zero")
			}
		}
	}},
	{"remove", func(w *ward) error { return w.seg.RemoveObject("gone") }, func(t *testing.T, w *ward, completed bool) {
		c, err := shm.OpenCounter(w.seg, "gone")
		switch {
		case err == nil && !completed:
			if c.Sum() != 5 {
				t.Errorf("the Counter is there with %d", c.Sum())
			}
			wantOK(t, w.seg.RemoveObject("gone"))
		case !errors.Is(err, fs.ErrNotExist):
			t.Error(err)
		}
		if c := need(shm.NewCounter(w.seg, "gone")); c.Sum() != 0 {
			t.Errorf("the new Counter has %d", c.Sum())
		}
	}},
}

func twosInArray(w *ward) error {
	return w.a.Update(background, func(e []wide) error {
		fillWide(e[:7], 2)
		crashpoint.Here("test.half")
		fillWide(e, 2)
		return nil
	})
}

func valueIsWhole(t *testing.T, w *ward, completed bool) { oldOrNew(t, need(w.v.Load()), completed) }

func arrayIsWhole(t *testing.T, w *ward, completed bool) {
	e := w.elements(t)
	oldOrNew(t, e[0], completed)
	for i := range e {
		if e[i] != e[0] {
			t.Errorf("element %d is %v, the first %v", i, e[i], e[0])
		}
	}
}

func oldOrNew(t *testing.T, got wide, completed bool) {
	t.Helper()
	if got != wideOf(2) && (completed || got != wideOf(1)) {
		t.Errorf("completed %v: %v", completed, got)
	}
}

// elements is what the Array holds, which must not take long to find out.
func (w *ward) elements(t *testing.T) (all []wide) {
	t.Helper()
	wantOK(t, within(soon, func(ctx context.Context) error {
		return w.a.Read(ctx, func(e []wide) error { all = slices.Clone(e); return nil })
	}))
	return all
}

// victim: SEGMENT SCENE POINT.
var roleVictim = proctest.Register("victim", func(args []string) {
	w := newWard(need(shm.Open(args[0])))
	i := slices.IndexFunc(crashScenes, func(c crashScene) bool { return c.name == args[1] })
	crashpoint.Arm(need(strconv.Atoi(args[2])))
	must(crashScenes[i].act(w))
	crashpoint.Disarm()
})

// stage makes a segment that is all ones.
func stage(t *testing.T) *ward {
	w := newWard(newSegment(t, shm.Options{Size: 1 << 20, Objects: 64, Processes: 8}))
	wantOK(t, w.a.Update(background, func(e []wide) error { fillWide(e, 1); return nil }))
	need(shm.NewCounter(w.seg, "gone")).Add(5)
	return w
}

// kill runs a victim, which reports whether it completed.
func (w *ward) kill(t *testing.T, scene string, point int) (completed bool) {
	t.Helper()
	v := proctest.Start(t, roleVictim, w.seg.Path(), scene, strconv.Itoa(point))
	state := v.Wait()
	if !state.Success() && state.String() != "signal: killed" {
		t.Fatalf("the victim: %v\n%s", state, v.Stderr())
	}
	return state.Success()
}

// watch lets readers look for halves until stop is called.
func (w *ward) watch(t *testing.T) (stop func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			if v, err := w.v.Load(); err != nil || !v.whole() {
				t.Errorf("a reader of the Value: %v, %v", err, v)
				return
			}
			time.Sleep(10 * time.Microsecond)
		}
	})
	wg.Go(func() {
		for !done.Load() {
			err := w.a.Read(background, func(e []wide) error {
				for i := range e {
					if !e[i].whole() {
						t.Errorf("a reader of the Array: element %d is %v", i, e[i])
						done.Store(true)
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("a reader of the Array: %v", err)
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
	return func() { done.Store(true); wg.Wait() }
}

// goesOn takes all the locks, which must not take long.
func (w *ward) goesOn(t *testing.T) {
	t.Helper()
	wantOK(t, within(soon, func(ctx context.Context) error {
		return w.v.Update(ctx, func(v *wide) error { return errorUnless(v.whole()) })
	}))
	wantOK(t, within(soon, func(ctx context.Context) error {
		return w.a.Update(ctx, func(e []wide) error { return nil })
	}))
	wantOK(t, w.seg.Check())
}

func errorUnless(ok bool) error {
	if !ok {
		return errMine
	}
	return nil
}

func TestCrashSweep(t *testing.T) {
	for _, c := range crashScenes {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; ; n++ {
				w := stage(t)
				stop := w.watch(t)
				completed := w.kill(t, c.name, n)
				w.goesOn(t)
				stop()
				c.check(t, w, completed)
				wantOK(t, w.seg.Check())
				if t.Failed() {
					t.Fatalf("at crash point %d", n)
				}
				if completed {
					t.Logf("%d crash points", n-1)
					if n == 1 {
						t.Error("no crash point was passed")
					}
					return
				}
			}
		})
	}
}

// A second victim dies at each point of undoing what the first has left half done.
func TestCrashWhileUndoing(t *testing.T) {
	for _, c := range crashScenes {
		if !strings.HasPrefix(c.name, "Array.") && !strings.HasPrefix(c.name, "Value.") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			points := 0
			for !stage(t).kill(t, c.name, points+1) {
				points++
			}
			kills := 0
			for n := max(1, points-5); n <= points; n++ {
				for m := 1; ; m++ {
					w := stage(t)
					w.kill(t, c.name, n)
					completed := w.kill(t, c.name, m)
					w.goesOn(t)
					if v := need(w.v.Load()); !v.whole() || v[0] > 3 {
						t.Errorf("the Value is %v", v)
					}
					c.check2(t, w, completed)
					if t.Failed() {
						t.Fatalf("at points %d and %d", n, m)
					}
					if completed {
						break
					}
					kills++
				}
			}
			t.Logf("%d second kills", kills)
		})
	}
}

// check2 is check after two victims: the Value may have been incremented twice.
func (c crashScene) check2(t *testing.T, w *ward, completed bool) {
	if strings.HasPrefix(c.name, "Array.") {
		c.check(t, w, completed)
	}
}
