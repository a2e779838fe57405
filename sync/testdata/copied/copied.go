// Package copied copies objects, each of which go vet has to notice.
package copied

import shmsync "github.com/shmkit/shmkit/sync"

func byValue(m shmsync.Mutex) {}

func copyMutex(h *shmsync.Mutex) {
	c := *h
	_ = &c
}

func copyRWMutex(h *shmsync.RWMutex) {
	c := *h
	_ = &c
}

func copyRecursiveMutex(h *shmsync.RecursiveMutex) {
	c := *h
	_ = &c
}

func copySemaphore(h *shmsync.Semaphore) {
	c := *h
	_ = &c
}

func copyCond(h *shmsync.Cond) {
	c := *h
	_ = &c
}

func copyEvent(h *shmsync.Event) {
	c := *h
	_ = &c
}

func copyBarrier(h *shmsync.Barrier) {
	c := *h
	_ = &c
}

func copyOnce(h *shmsync.Once) {
	c := *h
	_ = &c
}

func copyWaitGroup(h *shmsync.WaitGroup) {
	c := *h
	_ = &c
}
