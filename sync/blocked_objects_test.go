//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A heldObject is an object that one process has in some way, and that another waits for.
type heldObject struct {
	kind, role string
	held       bool // the report names the process that has it

	// have prepares the object, and wait waits for it. Both get the attachment of their process.
	have func(seg *shm.Segment)
	wait func(seg *shm.Segment, ctx context.Context) error
}

var heldObjects = map[string]heldObject{
	"Mutex": {"Mutex", "lock", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewMutex(seg, "x", shmsync.MutexOptions{})).Lock(background))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.NewMutex(seg, "x", shmsync.MutexOptions{})).Lock(ctx)
		}},
	"RecursiveMutex": {"RecursiveMutex", "lock", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewRecursiveMutex(seg, "x", shmsync.MutexOptions{})).Lock(background, shmsync.NewHolder()))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.NewRecursiveMutex(seg, "x", shmsync.MutexOptions{})).Lock(ctx, shmsync.NewHolder())
		}},
	"Once": {"Once", "once", true,
		func(seg *shm.Segment) {
			running := make(chan bool)
			go must1(shmsync.NewOnce(seg, "x", shmsync.OnceOptions{})).Do(background, func() error {
				close(running)
				select {}
			})
			<-running
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.NewOnce(seg, "x", shmsync.OnceOptions{})).Do(ctx, func() error { return nil })
		}},
	"Semaphore with undo": {"Semaphore", "acquire", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewSemaphore(seg, "x", 2, shmsync.SemaphoreOptions{Undo: true})).Acquire(background, 1))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.OpenSemaphore(seg, "x", shmsync.SemaphoreOptions{})).Acquire(ctx, 2)
		}},
	"Semaphore": {"Semaphore", "acquire", false,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewSemaphore(seg, "x", 1, shmsync.SemaphoreOptions{})).Acquire(background, 1))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.OpenSemaphore(seg, "x", shmsync.SemaphoreOptions{})).Acquire(ctx, 1)
		}},
	"Cond": {"Cond", "signal", false,
		func(seg *shm.Segment) {},
		func(seg *shm.Segment, ctx context.Context) error {
			m := must1(shmsync.NewMutex(seg, "m", shmsync.MutexOptions{}))
			must(m.Lock(background))
			defer m.Unlock()
			return must1(shmsync.NewCond(seg, "x", shmsync.CondOptions{})).Wait(ctx, m)
		}},
	"Event": {"Event", "event", false,
		func(seg *shm.Segment) {},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.NewEvent(seg, "x", shmsync.EventOptions{})).Wait(ctx)
		}},
	"Barrier": {"Barrier", "barrier", true,
		func(seg *shm.Segment) { kept = must1(shmsync.NewBarrier(seg, "x", 2, shmsync.BarrierOptions{})) },
		func(seg *shm.Segment, ctx context.Context) error {
			_, err := must1(shmsync.OpenBarrier(seg, "x", shmsync.BarrierOptions{})).Wait(ctx)
			return err
		}},
	"RWMutex, to write": {"RWMutex", "lock", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewRWMutex(seg, "x", shmsync.RWMutexOptions{})).Lock(background))
		},
		writeLock},
	"RWMutex, to read": {"RWMutex", "read lock", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewRWMutex(seg, "x", shmsync.RWMutexOptions{})).Lock(background))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.NewRWMutex(seg, "x", shmsync.RWMutexOptions{})).RLock(ctx)
		}},
	"RWMutex, read": {"RWMutex", "write lock, behind readers", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewRWMutex(seg, "x", shmsync.RWMutexOptions{})).RLock(background))
		},
		writeLock},
	"WaitGroup with undo": {"WaitGroup", "wait group", true,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewWaitGroup(seg, "x", shmsync.WaitGroupOptions{Undo: true})).Add(2))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.OpenWaitGroup(seg, "x", shmsync.WaitGroupOptions{})).Wait(ctx)
		}},
	"WaitGroup": {"WaitGroup", "wait group", false,
		func(seg *shm.Segment) {
			must(must1(shmsync.NewWaitGroup(seg, "x", shmsync.WaitGroupOptions{})).Add(2))
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shmsync.OpenWaitGroup(seg, "x", shmsync.WaitGroupOptions{})).Wait(ctx)
		}},
	"Value": {"Value", "lock", true,
		func(seg *shm.Segment) {
			v := must1(shm.NewValue(seg, "x", int64(1)))
			inside := make(chan bool)
			go v.Update(background, func(*int64) error {
				close(inside)
				select {}
			})
			<-inside
		},
		func(seg *shm.Segment, ctx context.Context) error {
			return must1(shm.NewValue(seg, "x", int64(1))).Update(ctx, func(*int64) error { return nil })
		}},
}

func writeLock(seg *shm.Segment, ctx context.Context) error {
	return must1(shmsync.NewRWMutex(seg, "x", shmsync.RWMutexOptions{})).Lock(ctx)
}

// kept is a handle that stays open until the process ends.
var kept any

// blocked-holder: SEGMENT OBJECT. It has the object until it is killed.
var blockedHolder = proctest.Register("blocked-holder", func(args []string) {
	heldObjects[args[1]].have(must1(shm.Open(args[0])))
	proctest.Say("ready")
	proctest.Hear()
})

// blocked-waiter: SEGMENT OBJECT. It waits for the object until it is killed.
var blockedWaiter = proctest.Register("blocked-waiter", func(args []string) {
	seg := must1(shm.Open(args[0]))
	must(heldObjects[args[1]].wait(seg, background))
	proctest.Hear()
})

// Each way of waiting for each object is reported, by name, with the known holders. The entry
// vanishes when its waiter dies. When the holder dies, the entry loses it, or the waiter goes on.
func TestBlockedObjects(t *testing.T) {
	t.Parallel()
	for name, s := range heldObjects {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			holder := proctest.Start(t, blockedHolder, seg.Path(), name)
			holder.Expect("ready")
			waiter := proctest.Start(t, blockedWaiter, seg.Path(), name)
			w := waitOf(t, reportOf(t, seg, 1), waiter)
			if w.Object != "x" || w.Kind != s.kind || w.Role != s.role || time.Since(w.Since) > time.Minute {
				t.Errorf("%+v: want a %s named x, to %s", w, s.kind, s.role)
			}
			isHolder := func(p shmsync.Process) bool { return p.PID == holder.PID() }
			if s.held && (len(w.Holders) != 1 || !slices.ContainsFunc(w.Holders, isHolder)) || !s.held && len(w.Holders) != 0 {
				t.Errorf("held by %v; does %d hold it: %v", w.Holders, holder.PID(), s.held)
			}
			ctx, cancel := context.WithCancel(background)
			done := make(chan error, 1)
			if s.kind != "Barrier" { // which it would complete
				go func() { done <- s.wait(seg, ctx) }()
				reportOf(t, seg, 2)
			} else {
				done <- context.Canceled
			}
			waiter.Kill()
			cancel()
			wantErr(t, "the second waiter", <-done, context.Canceled)
			if r := report(t, seg); len(r.Waits) != 0 {
				t.Errorf("in the end:\n%v", r)
			}
			holder.Kill()
		})
	}
}

// The report looks at objects that this process has not opened, and opens nothing.
func TestBlockedOpensNothing(t *testing.T) {
	seg := newSegment(t)
	c := blockedAgents(t, seg, 2)
	told(t, c[0], "lock a", "ok")
	c[1].Send("lock a")
	reportOf(t, seg, 1)
	c[1].Kill()
	exit(c[0])
	must(seg.RemoveObject("a"))
	for i := range 100 { // its memory is used again
		must1(shm.NewRawArray[byte](seg, fmt.Sprint(i), 64))
		must(seg.RemoveObject(fmt.Sprint(i)))
	}
	must(seg.Check())
}
