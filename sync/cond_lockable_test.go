//go:build linux

package shmsync_test

import (
	"context"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// ordinary is a lock of this process only.
type ordinary struct{ sync.Mutex }

func (l *ordinary) Lock(context.Context) error {
	l.Mutex.Lock()
	return nil
}

// lockables are locks of all kinds, each named "l". They are for one goroutine: a holder of a
// RecursiveMutex is.
func lockables(seg *shm.Segment, o *ordinary) (map[string]shmsync.Lockable, error) {
	m, err := shmsync.NewMutex(seg, "l", shmsync.MutexOptions{})
	if err != nil {
		return nil, err
	}
	rw, err := shmsync.NewRWMutex(seg, "l rw", shmsync.RWMutexOptions{})
	if err != nil {
		return nil, err
	}
	r, err := shmsync.NewRecursiveMutex(seg, "l recursive", shmsync.MutexOptions{})
	if err != nil {
		return nil, err
	}
	return map[string]shmsync.Lockable{"Mutex": m, "RWMutex": rw, "RecursiveMutex": r.As(shmsync.NewHolder()), "ordinary": o}, nil
}

// cond-holder: SEGMENT KIND. It holds a lock.
var condHolder = proctest.Register("cond-holder", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	all, err := lockables(seg, nil)
	must(err)
	must(all[args[1]].Lock(background))
	proctest.Say("held")
	proctest.Hear()
})

// A Cond works with every kind of lock, and notices the death of the holder of those that processes
// share.
func TestCondLockables(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Mutex", "RWMutex", "RecursiveMutex", "ordinary"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seg := newSegment(t)
			c := newCond(t, seg, "c")
			o := &ordinary{}
			all, err := lockables(seg, o)
			wantErr(t, "make the locks", err, nil)
			waiters, err := lockables(seg, o)
			wantErr(t, "make the locks of the waiters", err, nil)
			l := all[kind]
			got := make(chan error)
			wait := func() {
				l := waiters[kind]
				err := l.Lock(background)
				if err == nil {
					err = c.Wait(background, l)
				}
				l.Unlock()
				got <- err
			}
			go wait()
			waiting(t, c, 1)
			wantErr(t, "lock what the waiter has given up", l.Lock(background), nil)
			c.Signal()
			l.Unlock()
			wantErr(t, "signalled", <-got, nil)
			if kind == "ordinary" {
				return
			}
			go wait()
			waiting(t, c, 1)
			holder := proctest.Start(t, condHolder, seg.Path(), kind)
			holder.Expect("held")
			holder.Kill()
			wantErr(t, "after the death of the holder", <-got, shmsync.ErrOwnerDied)
			wantErr(t, "what the waiter has left", l.Lock(background), shmsync.ErrOwnerDied)
			repair(t, l.(repairable))
			wantErr(t, "lock", l.Lock(background), nil)
			l.Unlock()
		})
	}
}
