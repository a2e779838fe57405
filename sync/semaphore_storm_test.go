//go:build linux

package shmsync_test

import (
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

const stormUnits = 5

// use uses a semaphore with undo and a wait group with undo in all ways, until something fails, and
// returns what. Neither is left with anything, unless this is killed or closed under.
func use(s *shmsync.Semaphore, g *shmsync.WaitGroup) error {
	for {
		n := 1 + rand.Int64N(stormUnits)
		err := error(nil)
		switch rand.IntN(3) {
		case 0:
			err = s.TryAcquire(n)
		case 1:
			err = s.Acquire(background, n)
		default:
			//clock: waiters that give up are the subject
			err = acquireWithin(s, n, time.Duration(rand.IntN(200))*time.Microsecond)
		}
		if err == nil {
			if free := s.Available(); free > stormUnits-n {
				panic("more are free than can be")
			}
			err = errors.Join(g.Add(n), g.Add(-n), s.Release(n))
		}
		if v := verdict(err); err == nil && rand.IntN(20) == 0 || v == "locked" {
			//clock: waiters that give up are the subject
			err = waitWithin(g, time.Duration(rand.IntN(200))*time.Microsecond)
		}
		switch v := verdict(err); v {
		case "ok", "deadline":
		default:
			return err
		}
	}
}

func openStorm(seg *shm.Segment) (*shmsync.Semaphore, *shmsync.WaitGroup, error) {
	s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	if err != nil {
		return nil, nil, err
	}
	g, err := shmsync.OpenWaitGroup(seg, "g", shmsync.WaitGroupOptions{})
	return s, g, err
}

// units-user: SEGMENT. It uses both until it is killed.
var unitsUser = proctest.Register("units-user", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	s, g, err := openStorm(seg)
	must(err)
	proctest.Say("ready")
	for range 2 {
		go func() { must(use(s, g)) }()
	}
	must(use(s, g))
})

// units-closer: SEGMENT. Goroutines use both while the segment is closed under them, again and
// again; the garbage collector runs all the time, so that what is closed is also unmapped.
var unitsCloser = proctest.Register("units-closer", func(args []string) {
	debug.SetGCPercent(1)
	for range times(50) {
		seg, err := shm.Open(args[0])
		must(err)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				s, g, err := openStorm(seg)
				if err == nil {
					err = use(s, g)
				}
				if !errors.Is(err, shmsync.ErrClosed) {
					panic(err)
				}
			})
		}
		proctest.Stagger(1000 * time.Microsecond) // a random moment is the subject
		if err := seg.Close(); err != nil && !errors.As(err, new(*shm.HeldError)) {
			panic(err)
		}
		if rand.IntN(2) == 0 {
			wg.Wait() // otherwise the next round begins while goroutines of this one still end
		}
	}
})

// Processes that use a semaphore and a wait group are killed and started again, and others close
// the segment under themselves. In the end all units are there, and nothing is to be waited for.
func TestUnitsStorm(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	s := newSemaphore(t, seg, "s", stormUnits, shmsync.SemaphoreOptions{Undo: true})
	g := newWaitGroup(t, seg, "g", true)
	closer := proctest.Start(t, unitsCloser, seg.Path())
	var users [3]*proctest.Child
	start := func(i int) {
		users[i] = proctest.Start(t, unitsUser, seg.Path())
		users[i].Expect("ready")
	}
	for i := range users {
		start(i)
	}
	kills := times(30)
	for range kills {
		proctest.Stagger(3000 * time.Microsecond) // a random moment is the subject
		i := rand.IntN(len(users))
		if state := users[i].Kill(); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("a user: %v\n%s", state, users[i].Stderr())
		}
		start(i)
	}
	closer.WaitOK()
	for _, c := range users {
		c.Kill()
	}
	t.Logf("%d processes were killed", kills)
	wantErr(t, "wait for what the dead have added", waitWithin(g, soon), nil)
	wantErr(t, "acquire all units", acquireWithin(s, stormUnits, soon), nil)
	wantAvailable(t, s, 0)
	wantErr(t, "release them", s.Release(stormUnits), nil)
}
