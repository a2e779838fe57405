//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

const (
	chaosWorkers    = 16
	chaosGoroutines = 3 // of each worker
	chaosThings     = 100
	chaosPeriod     = 50 * time.Millisecond

	// chaosStuck is how long nothing that a worker does can last.
	chaosStuck = 4 * time.Minute
)

// A chaosThing is one object and what is known of it. Its methods panic when something is wrong.
type chaosThing interface {
	// use does one thing with it, and may be killed at any moment.
	use(r *rand.Rand)
	// settled checks, when all processes have stopped or died, that the object has no traces of
	// dead ones.
	settled()
	// check is done by three processes at once, numbers 0 to 2, of which the last is a newcomer.
	check(k int)
}

// chaosKinds make the things. There are as many of each.
var chaosKinds = []func(w *chaosWorld, name string, words []int64) chaosThing{
	newChaosMutex, newChaosRWMutex, newChaosRecursive, newChaosSemaphore, newChaosUndo,
	newChaosCond, newChaosEvent, newChaosBarrier, newChaosOnce, newChaosWaitGroup,
}

// A chaosWorld is one process's view of all things.
type chaosWorld struct {
	seg    *shm.Segment
	looks  bool // takes no part, as the test itself
	things []chaosThing
}

const chaosWords = 8 // of shared memory that each thing can use as it likes

func newChaosWorld(seg *shm.Segment, looks bool) *chaosWorld {
	w := &chaosWorld{seg: seg, looks: looks}
	words, err := shm.NewRawArray[int64](seg, "words", chaosThings*chaosWords)
	must(err)
	all := words.Slice()
	for i := range chaosThings {
		make := chaosKinds[i%len(chaosKinds)]
		w.things = append(w.things, make(w, fmt.Sprint("thing ", i), all[i*chaosWords:][:chaosWords]))
	}
	return w
}

// chaosSoon is a context for what may have to wait for something that never comes, and its end.
func chaosSoon(r *rand.Rand) (context.Context, context.CancelFunc) {
	//clock: the time-out is the subject
	return context.WithTimeout(background, time.Duration(r.IntN(30))*time.Millisecond)
}

// chaosTaken reports whether an operation has succeeded, rather than given up.
func chaosTaken(err error, giveUp ...error) bool {
	for _, e := range append(giveUp, context.DeadlineExceeded) {
		if errors.Is(err, e) {
			return false
		}
	}
	must(err)
	return true
}

// chaos-worker: SEGMENT SEED. It uses everything until it is told to stop, then checks everything
// when told so.
var chaosWorker = proctest.Register("chaos-worker", func(args []string) {
	debug.SetTraceback("all")
	seg, err := shm.Open(args[0])
	must(err)
	seed, err := strconv.ParseUint(args[1], 10, 64)
	must(err)
	w := newChaosWorld(seg, false)
	var stop atomic.Bool
	var uses, longest atomic.Int64
	var wg sync.WaitGroup
	for g := range chaosGoroutines {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			for !stop.Load() {
				i := r.IntN(len(w.things))
				if r.IntN(2) == 0 { // some are used much, so that many wait for each
					i = r.IntN(len(chaosKinds))
				}
				began := time.Now()
				within(fmt.Sprintf("use of thing %d, a %T", i, w.things[i]), func() { w.things[i].use(r) })
				uses.Add(1)
				took := int64(time.Since(began))
				for most := longest.Load(); most < took && !longest.CompareAndSwap(most, took); most = longest.Load() {
				}
			}
		})
	}
	proctest.Hear()
	stop.Store(true)
	wg.Wait()
	proctest.Say("%d %d", uses.Load(), longest.Load())
	checkChaos(w)
})

// checkChaos obeys orders to check a thing as one of three.
func checkChaos(w *chaosWorld) {
	for {
		var i, k int
		_, err := fmt.Sscan(proctest.Hear(), &i, &k)
		must(err)
		within(fmt.Sprintf("check of thing %d, a %T", i, w.things[i]), func() { w.things[i].check(k) })
		proctest.Say("checked")
	}
}

// chaos-newcomer: SEGMENT. It has seen nothing of what happened, and checks.
var chaosNewcomer = proctest.Register("chaos-newcomer", func(args []string) {
	debug.SetTraceback("all")
	seg, err := shm.Open(args[0])
	must(err)
	w := newChaosWorld(seg, false)
	proctest.Say("ready")
	checkChaos(w)
})

// within panics, with all stacks, when f gets stuck.
func within(what string, f func()) {
	stuck := time.AfterFunc(chaosStuck, func() { panic(what + " is stuck") })
	f()
	stuck.Stop()
}

// 16 processes use 100 objects of all kinds while one of them is killed and replaced every 50 ms.
// In the end no process is stuck, each object is whole, and survivors and newcomers can use it.
func TestChaos(t *testing.T) {
	t.Parallel()
	kills := times(30)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	seg := newSegment(t)
	w := newChaosWorld(seg, true)
	start := func() *proctest.Child {
		return proctest.Start(t, chaosWorker, seg.Path(), fmt.Sprint(random.Uint64()))
	}
	workers := make([]*proctest.Child, chaosWorkers)
	for i := range workers {
		workers[i] = start()
	}
	for range kills {
		time.Sleep(chaosPeriod) // how often is the subject
		i := random.IntN(len(workers))
		chaosKill(t, workers[i])
		workers[i] = start()
	}
	time.Sleep(100 * time.Millisecond) // so that the last ones have something to do, too
	uses, longest := 0, time.Duration(0)
	for _, c := range workers {
		c.Send("stop")
	}
	for _, c := range workers {
		var n int
		var most time.Duration
		fmt.Sscan(c.Line(), &n, (*int64)(&most))
		uses, longest = uses+n, max(longest, most)
	}
	t.Logf("%d kills; the %d who survived have used things %d times, for %v at most", kills, len(workers), uses, longest)
	for _, c := range workers[2:] {
		chaosKill(t, c)
	}
	settleChaos(t, seg, w, workers[:2])
	must(seg.Check())
}

// chaosKill kills a worker, which must not have ended by itself.
func chaosKill(t *testing.T, c *proctest.Child) {
	t.Helper()
	if state := c.Kill(); state.String() != "signal: killed" {
		t.Fatalf("a worker: %v\n%s", state, c.Stderr())
	}
}

// settleChaos checks everything by itself, and has two survivors and a newcomer check it.
func settleChaos(t *testing.T, seg *shm.Segment, w *chaosWorld, survivors []*proctest.Child) {
	newcomer := proctest.Start(t, chaosNewcomer, seg.Path())
	newcomer.Expect("ready")
	checkers := append(survivors, newcomer)
	for i, thing := range w.things {
		within(fmt.Sprintf("settling thing %d, a %T", i, thing), thing.settled)
		for k, c := range checkers {
			c.Send(fmt.Sprint(i, " ", k))
		}
		for _, c := range checkers {
			c.Expect("checked")
		}
	}
	for _, c := range checkers {
		chaosKill(t, c)
	}
}
