//go:build linux

package shmsync_test

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// recursive-crowd: SEGMENT. A crowd waits for one lock, each goroutine with a holder of its own,
// which locks twice.
var recursiveCrowded = proctest.Register("recursive-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	must(err)
	blockCrowd(func(ctx context.Context, _ int) error {
		h := shmsync.NewHolder()
		err := m.Lock(ctx, h)
		if err == nil {
			must(m.Lock(background, h))
			m.Unlock(h)
			m.Unlock(h)
		}
		return err
	})
})

func TestRecursiveCrowd(t *testing.T) {
	seg := newSegment(t)
	m, h := newRecursive(t, seg), shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	c := proctest.Start(t, recursiveCrowded, seg.Path())
	checkCrowd(t, c, func() { m.Unlock(h) })
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(h), nil)
	m.Unlock(h)
}
