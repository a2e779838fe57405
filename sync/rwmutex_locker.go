package shmsync

import (
	"context"
	"fmt"
	"sync"
)

// Locker returns m for interfaces that want a [sync.Locker]. Its Lock locks for writing. It waits
// without a context, and panics where [RWMutex.Lock] returns an error: use it with
// [RWMutexOptions.Repair].
func (m *RWMutex) Locker() sync.Locker { return rwLocker{m} }

// RLocker is Locker for reading: its Lock is RLock, and its Unlock is RUnlock.
func (m *RWMutex) RLocker() sync.Locker { return rwReadLocker{m} }

type rwLocker struct{ m *RWMutex }

func (l rwLocker) Lock() {
	err := l.m.Lock(context.Background())
	if err != nil {
		panic(fmt.Sprintf("shmsync.RWMutex.Locker: lock %q: %v", l.m.o.Name, err))
	}
}

func (l rwLocker) Unlock() { l.m.Unlock() }

type rwReadLocker struct{ m *RWMutex }

func (l rwReadLocker) Lock() {
	if err := l.m.RLock(context.Background()); err != nil {
		panic(fmt.Sprintf("shmsync.RWMutex.RLocker: lock %q: %v", l.m.o.Name, err))
	}
}

func (l rwReadLocker) Unlock() { l.m.RUnlock() }
