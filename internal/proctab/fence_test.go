//go:build linux

package proctab

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
)

// killsEnv sets how many processes the test of dying threads kills.
const killsEnv = "SHMKIT_TEST_KILLS"

var roleCounts = proctest.Register("counts", counts)

// counts attaches and then stores a growing number into the stamp from as many threads as there are
// processors, as fast as it can.
func counts(args []string) {
	f := open(args[0])
	m := f.mustAttach()
	proctest.Say("attached %d false %d", m.ID(), theKeeper().tid)
	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	for range runtime.NumCPU() {
		go func() {
			runtime.LockOSThread()
			for n := int64(1); ; n++ {
				f.stamp.Store(n)
			}
		}()
	}
	proctest.Hear()
}

// moves reports whether the number still changes.
func (f *file) moves() bool {
	last := f.stamp.Load()
	for range 10_000 {
		if f.stamp.Load() != last {
			return true
		}
	}
	return false
}

// No thread of a process that Dead calls dead writes any more.
func TestTheDeadDoNotWrite(t *testing.T) {
	kills := 10
	if long {
		kills = 100
	}
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		kills = n
	}
	f, path := openTable(t, 3)
	for _, fenced := range []bool{false, true} {
		alive := 0
		for range kills {
			child := proctest.Start(t, roleCounts, path)
			o, _, _ := attached(t, child)
			f.awaitOrdered(t, o)
			word, _ := f.Liveness(o)
			dead := make(chan bool)
			go func() {
				for f.slots[o.Slot()].word.Load()&ownerDied == 0 {
					futex.Wait(word, -1)
				}
				if fenced {
					f.Dead(o)
				}
				dead <- f.moves()
			}()
			child.Signal(9)
			if <-dead {
				alive++
			}
			child.Kill()
		}
		t.Logf("fenced %t: a dead process wrote on after %d of %d kills", fenced, alive, kills)
		if fenced && alive > 0 {
			t.Errorf("a dead process wrote on after %d of %d kills", alive, kills)
		}
	}
}
