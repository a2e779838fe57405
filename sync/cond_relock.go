package shmsync

import (
	"context"

	"github.com/shmkit/shmkit/internal/lock/cond"
)

// relockable is l as [cond.Var.Wait] needs it, and what knows whether the holder of l is dead: nil
// for a lock of the program's own.
func relockable(l Lockable) (cond.Lockable, cond.Orphan) {
	switch l := l.(type) {
	case *Mutex:
		return relocksMutex{l}, l.m
	case *RWMutex:
		return relocksRWMutex{l}, l.l
	case *HolderMutex:
		return relocksHolder{l}, l.m.shared.m
	}
	return relocksOther{l}, nil
}

// Each kind of lock with its relock exported for [cond.Lockable]. A structure of one pointer costs
// no allocation.
type (
	relocksMutex   struct{ *Mutex }
	relocksRWMutex struct{ *RWMutex }
	relocksHolder  struct{ *HolderMutex }
	relocksOther   struct{ Lockable }
)

func (l relocksMutex) Relock(ctx context.Context) (bool, error)   { return l.relock(ctx) }
func (l relocksRWMutex) Relock(ctx context.Context) (bool, error) { return l.relock(ctx) }
func (l relocksHolder) Relock(ctx context.Context) (bool, error)  { return l.relock(ctx) }

func (l relocksOther) Relock(ctx context.Context) (bool, error) {
	err := l.Lock(ctx)
	return err == nil, err
}
