//go:build linux

package shmsync_test

import (
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Two processes that would wait for each other: the second is told, if it has asked to be, and has
// nothing more than before.
func TestRecursiveDeadlock(t *testing.T) {
	seg := newSegment(t)
	mine, err := shmsync.NewRecursiveMutex(seg, "mine", shmsync.MutexOptions{})
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{DetectDeadlock: true})
	must(err)
	h := shmsync.NewHolder()
	wantErr(t, "lock mine", mine.Lock(background, h), nil)
	c := proctest.Start(t, recursiveCrosser, seg.Path())
	c.Expect("has r")
	proctest.Eventually(t, 10*soon, func() bool {
		report, err := shmsync.Blocked(seg)
		must(err)
		return len(report.Waits) == 1
	}, "the other waits")
	err = m.Lock(background, h)
	wantErr(t, "close the cycle", err, shmsync.ErrDeadlock)
	wantPanic(t, "Unlock after that", "does not have it locked", func() { m.Unlock(h) })
	mine.Unlock(h)
	wantErr(t, "then", m.Lock(background, h), nil)
	m.Unlock(h)
	c.WaitOK()
}

// recursive-crosser: SEGMENT. It locks r, then mine.
var recursiveCrosser = proctest.Register("recursive-crosser", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	mine, err := shmsync.NewRecursiveMutex(seg, "mine", shmsync.MutexOptions{})
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	h := shmsync.NewHolder()
	must(m.Lock(background, h))
	proctest.Say("has r")
	must(mine.Lock(background, h))
	mine.Unlock(h)
	m.Unlock(h)
})
