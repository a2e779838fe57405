//go:build linux

package event

import (
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

import ()

func TestMain(m *testing.M) { proctest.Main(m) }

// visit is an event that waiters park for, until the test ends.
func visit(t *testing.T) *Flag {
	r := locktest.Visit(t, locktest.New(t))
	return New(&lock.Party{Member: r.Member, Closer: r.Closer, Keep: r.Keep}, r.Cell(0), wait.Parking)
}

// A goroutine that began to wait for an event before it was set and cleared, and comes to its wait
// only after another has begun to wait for the next time, is not held up by that.
func TestLateWaiterIsNotHeldUp(t *testing.T) {
	defer wait.SetBackstop(time.Hour)() // so that one that is held up hangs
	e := visit(t)
	began := e.f.word.Load()
	e.Set()
	e.Clear()
	leader := proctest.MustBlock(t, func() { e.Wait(locktest.Background) })
	for range 3 {
		if err := e.wait(locktest.Background, began); err != nil {
			t.Error(err)
		}
	}
	e.Set()
	<-leader
}
