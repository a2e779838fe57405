//go:build crashtest && linux

package shm_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// A view is one process's view of the segment.
type view struct {
	seg *shm.Segment
	v   *shm.Value[wide]
	a   *shm.Array[wide]
}

const viewLen = 20

func newView(seg *shm.Segment) *view {
	return &view{seg, need(shm.NewValue(seg, "v", wideOf(1))), need(shm.NewArray[wide](seg, "a", viewLen))}
}

func fillWide(e []wide, n int64) {
	for i := range e {
		e[i] = wideOf(n)
	}
}

// elements is what the Array holds, which can be found out.
func (w *view) elements(t *testing.T) (all []wide) {
	t.Helper()
	wantOK(t, within(proctest.Hang, func(ctx context.Context) error {
		return w.a.Read(ctx, func(e []wide) error { all = slices.Clone(e); return nil })
	}))
	return all
}

// victim: SEGMENT SCENE.
var roleVictim = proctest.Register("victim", func(args []string) {
	w := newView(need(shm.Open(args[0])))
	i := slices.IndexFunc(crashScenes, func(c crashScene) bool { return c.name == args[1] })
	proctest.Armed(func() { must(crashScenes[i].act(w)) })
})

// stage makes a segment that is all ones.
func stage(t *testing.T) *view {
	w := newView(newSegment(t, shm.Options{Size: 1 << 20, Objects: 64, Processes: 8}))
	wantOK(t, w.a.Update(background, func(e []wide) error { fillWide(e, 1); return nil }))
	need(shm.NewCounter(w.seg, "gone")).Add(5)
	return w
}

// kill runs a victim, and reports whether it completed.
func (w *view) kill(t *testing.T, p *proctest.Crash, scene string) (completed bool) {
	t.Helper()
	p.Start(roleVictim, w.seg.Path(), scene)
	return p.Wait()
}

// watch lets readers look for halves until stop is called.
func (w *view) watch(t *testing.T) (stop func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			if v, err := w.v.Load(); err != nil || !v.whole() {
				t.Errorf("a reader of the Value: %v, %v", err, v)
				return
			}
			proctest.Stagger(20 * time.Microsecond)
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
			proctest.Stagger(200 * time.Microsecond)
		}
	})
	return func() { done.Store(true); wg.Wait() }
}

// goesOn takes all the locks.
func (w *view) goesOn(t *testing.T) {
	t.Helper()
	wantOK(t, within(proctest.Hang, func(ctx context.Context) error {
		return w.v.Update(ctx, func(v *wide) error { return errorUnless(v.whole()) })
	}))
	wantOK(t, within(proctest.Hang, func(ctx context.Context) error {
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
			proctest.Sweep(t, 1, func(p *proctest.Crash) {
				w := stage(t)
				stop := w.watch(t)
				completed := w.kill(t, p, c.name)
				w.goesOn(t)
				stop()
				c.check(t, w, completed)
				wantOK(t, w.seg.Check())
			})
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
			proctest.Sweep(t, 1, func(p *proctest.Crash) {
				if !stage(t).kill(t, p, c.name) {
					points++
				}
			})
			kills := 0
			for n := max(1, points-5); n <= points; n++ {
				proctest.Sweep(t, 1, func(second *proctest.Crash) {
					w := stage(t)
					w.kill(t, proctest.CrashAt(t, n), c.name)
					completed := w.kill(t, second, c.name)
					w.goesOn(t)
					if v := need(w.v.Load()); !v.whole() || v[0] > 3 {
						t.Errorf("the Value is %v", v)
					}
					c.check2(t, w, completed)
					if !completed {
						kills++
					}
				})
			}
			t.Logf("%d second kills", kills)
		})
	}
}

// check2 is check after two victims: the Value may have been incremented twice.
func (c crashScene) check2(t *testing.T, w *view, completed bool) {
	if strings.HasPrefix(c.name, "Array.") {
		c.check(t, w, completed)
	}
}
