//go:build linux

package shmsync_test

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// rwCrowded: SEGMENT. A crowd waits for one lock, one in ten to write.
var rwCrowded = proctest.Register("rwmutex-crowded", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	blockCrowd(func(ctx context.Context, i int) error {
		lock, unlock := m.RLock, m.RUnlock
		if i%20 < 2 {
			lock, unlock = m.Lock, m.Unlock
		}
		err := lock(ctx)
		if err == nil {
			unlock()
		}
		return err
	})
})

// 10,000 goroutines of one process that wait for a lock which another one holds need few threads.
// Half of them are cancelled; all others get the lock in the end.
func TestRWMutexCrowd(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "lock", m.Lock(background), nil)
	c := proctest.Start(t, rwCrowded, seg.Path())
	checkCrowd(t, c, m.Unlock)
	c.WaitOK()
	wantErr(t, "in the end", m.TryLock(), nil)
	m.Unlock()
}
