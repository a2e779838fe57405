//go:build linux

package shmsync_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/race"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A program that guards an ordinary variable with a Mutex has no race, whichever handle it uses and
// however it locks, and the detector reports none. In a build without the detector this only checks
// the number.
func TestMutexOrders(t *testing.T) {
	seg := newSegment(t)
	handles := []*shmsync.Mutex{newMutex(t, seg, "a"), newMutex(t, seg, "a")}
	n := 0
	const goroutines, rounds = 6, 300
	var wg sync.WaitGroup
	for i := range goroutines {
		m := handles[i%2]
		wg.Go(func() {
			for range rounds {
				switch i {
				case 0:
					for m.TryLock() != nil {
					}
				case 1:
					m.Locker().Lock()
				default:
					must(m.Lock(background))
				}
				n++
				m.Unlock()
			}
		})
	}
	wg.Wait()
	if n != goroutines*rounds {
		t.Errorf("counted to %d, want %d", n, goroutines*rounds)
	}
}

// An Unlock that panics does not hide what the last holder did from the detector, nor invent a
// race.
func TestFailedUnlockOrdersNothing(t *testing.T) {
	m := newMutex(t, newSegment(t), "a")
	n := 0
	var wg sync.WaitGroup
	locked := make(chan bool)
	wg.Go(func() {
		must(m.Lock(background))
		n++
		m.Unlock()
		close(locked)
	})
	<-locked
	wg.Go(func() {
		defer func() { recover() }()
		m.Unlock()
	})
	wg.Wait()
	must(m.Lock(background))
	n++
	m.Unlock()
	if n != 2 {
		t.Errorf("counted to %d", n)
	}
}

// The detector finds the tests above silent. This runs them with it when it is not there anyway; it
// needs a C compiler.
func TestRaceDetectorIsSilent(t *testing.T) {
	if race.Enabled {
		t.Skip("the tests run with the detector already")
	}
	if !long {
		t.Skip("builds everything with the detector: SHMKIT_LONG=1, or run all tests with -race")
	}
	cmd := exec.Command("go", "test", "-race", "-short", "-count=1", "-run", "^(Test[A-Za-z]+Orders|TestFailedUnlockOrdersNothing)$", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "C compiler") {
		t.Skipf("no detector: %s", out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
