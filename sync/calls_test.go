//go:build linux

package shmsync_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// trips opens an end of a conversation of two processes in a segment, and returns what makes a trip
// there and back.
var trips = map[string]func(seg *shm.Segment, first bool) func(){
	"Event": func(seg *shm.Segment, first bool) func() {
		open := func(name string) *shmsync.Event {
			return must2(shmsync.NewEvent(seg, name, shmsync.EventOptions{Wait: shmsync.Park}))
		}
		mine, other := open("there"), open("back")
		if !first {
			mine, other = other, mine
		}
		say := func() { mine.Set() }
		hear := func() { must(other.Wait(endless)); other.Clear() }
		return inTurn(first, say, hear)
	},
	"Cond": func(seg *shm.Segment, first bool) func() {
		m := must2(shmsync.NewMutex(seg, "m", shmsync.MutexOptions{}))
		c := must2(shmsync.NewCond(seg, "c", shmsync.CondOptions{Wait: shmsync.Park}))
		turn := must2(shm.NewCounter(seg, "turn"))
		mine := int64(0)
		if !first {
			mine = 1
		}
		say := func() {
			must(m.Lock(endless))
			turn.Add(1)
			m.Unlock()
			c.Signal()
		}
		hear := func() {
			must(m.Lock(endless))
			must(c.WaitFor(endless, m, func() bool { return turn.Sum()%2 == mine }))
			m.Unlock()
		}
		return inTurn(first, say, hear)
	},
	"Barrier": func(seg *shm.Segment, _ bool) func() {
		b := must2(shmsync.NewBarrier(seg, "b", 2, shmsync.BarrierOptions{Wait: shmsync.Park}))
		return func() { must2(b.Wait(endless)) }
	},
}

// endless is for waits that nothing but a wake-up shall end.
var endless = wait.WithLongSleep(background)

func must2[T any](v T, err error) T {
	must(err)
	return v
}

func inTurn(first bool, say, hear func()) func() {
	if first {
		return func() { say(); hear() }
	}
	return func() { hear(); say() }
}

// tripAgent is the other end of a conversation of kind args[1] in the segment args[0].
var tripAgent = proctest.Register("trip-agent", func(args []string) {
	asleep.Answer(trips[args[1]](must2(shm.Open(args[0])), false))
})

// A trip there and back of two processes that sleep for each other costs at most a wait and a wake
// for each message, and as good as no membarrier.
func TestCallsOfAConversation(t *testing.T) {
	if !futex.Register() || !futex.HasWaitAny() {
		t.Skip("without membarrier and futex_waitv sleepers look again every few milliseconds")
	}
	for kind, open := range trips {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(proctest.Dir(t), "talk")
			seg := must2(shm.Create(path, shm.Options{}))
			defer seg.Close()
			trip := open(seg, true)
			asleep.Converse(t, proctest.Start(t, tripAgent, path, kind), trip)
		})
	}
}

// crowds returns what each of several processes does again and again, and how many changes that
// makes.
var crowds = map[string]func(seg *shm.Segment) (act func(), changes int){
	"Mutex": func(seg *shm.Segment) (func(), int) {
		m := must2(shmsync.NewMutex(seg, "m", shmsync.MutexOptions{Wait: shmsync.Park}))
		return func() { must(m.Lock(background)); m.Unlock() }, 1
	},
	"RWMutex": func(seg *shm.Segment) (func(), int) {
		m := must2(shmsync.NewRWMutex(seg, "m", shmsync.RWMutexOptions{Wait: shmsync.Park}))
		return func() {
			must(m.RLock(background))
			m.RUnlock()
			must(m.Lock(background))
			m.Unlock()
		}, 2
	},
	"Semaphore": func(seg *shm.Segment) (func(), int) {
		s := must2(shmsync.NewSemaphore(seg, "s", 1, shmsync.SemaphoreOptions{Wait: shmsync.Park}))
		return func() { must(s.Acquire(background, 1)); must(s.Release(1)) }, 1
	},
	"Semaphore with Undo": func(seg *shm.Segment) (func(), int) {
		s := must2(shmsync.NewSemaphore(seg, "s", 1, shmsync.SemaphoreOptions{Wait: shmsync.Park, Undo: true}))
		return func() { must(s.Acquire(background, 1)); must(s.Release(1)) }, 1
	},
}

// crowdActs is how often each of crowdSize processes acts.
const crowdActs, crowdSize = 100_000, 3

var crowdAgent = proctest.Register("crowd-agent", func(args []string) {
	act, _ := crowds[args[1]](must2(shm.Open(args[0])))
	proctest.Say("ready")
	proctest.Hear()
	before := futex.Counted()
	for range crowdActs {
		act()
	}
	proctest.Say("%d", futex.Counted().Since(before).Membarriers)
})

// However processes compete for an object, of 64 changes at most one is paid for with a membarrier.
func TestMembarriersOfACrowd(t *testing.T) {
	if !futex.Register() {
		t.Skip("the kernel has no membarrier")
	}
	for kind, open := range crowds {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(proctest.Dir(t), "crowd")
			seg := must2(shm.Create(path, shm.Options{}))
			defer seg.Close()
			_, changes := open(seg)
			var children []*proctest.Child
			for range crowdSize {
				c := proctest.Start(t, crowdAgent, path, kind)
				c.Expect("ready")
				children = append(children, c)
			}
			for _, c := range children {
				c.Send("go")
			}
			all := 0
			for _, c := range children {
				n := 0
				fmt.Sscan(c.Line(), &n)
				c.WaitOK()
				all += n
			}
			total := changes * crowdSize * crowdActs
			t.Logf("%d membarriers in %d changes", all, total)
			// two bells, which all may find quiet at first
			if first := 2 * crowdSize; all > total/64+first {
				t.Errorf("%d membarriers in %d changes: at most one in 64", all, total)
			}
		})
	}
}
