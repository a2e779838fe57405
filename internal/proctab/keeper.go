package proctab

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/notice"
)

// A keeper is the goroutine that is locked to the thread with the robust list of the process. There
// is one for each process, from the first attachment on, and it never ends: its end would look like
// the death of the process.
type keeper struct {
	tid    uint32       // immutable
	robust bool         // immutable: the kernel took the list
	places atomic.Int32 // of the list that are taken or spoken for
	work   chan func()  // functions that the keeper's thread must call
	// *os.File: the byte locks that the process lives by, lest the garbage collector closes one
	locks sync.Map

	// For the keeper's thread only.
	head    *robustHead
	linked  []*slot // the list as it should be, first to last; the shared copy is never read back
	ordered bool    // the membarriers of others reach this process
}

// maxPlaces is how many nodes of a list the kernel looks at (ROBUST_LIST_LIMIT).
const maxPlaces = 2048

var theKeeper = sync.OnceValue(func() *keeper {
	k := &keeper{work: make(chan func()), head: new(robustHead)}
	ready := make(chan struct{})
	go k.serve(ready)
	<-ready
	go func() {
		if futex.Register() { // is slow, so no caller waits for it
			k.do(k.setOrdered)
		} else if futex.HasMembarrier() {
			notice.Missing("membarrier", withoutMembarrier)
		}
	}()
	return k
})

// serve is the life of the keeper.
func (k *keeper) serve(ready chan<- struct{}) {
	runtime.LockOSThread()
	k.tid = threadID()
	k.robust = !futex.Disabled("robust") && k.head.register()
	close(ready)
	for f := range k.work {
		f()
	}
}

// do runs f on the keeper's thread and returns when it is done.
func (k *keeper) do(f func()) {
	done := make(chan struct{})
	k.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// takePlace reports whether the list has a place for one more slot. It is given back with
// givePlace.
func (k *keeper) takePlace() bool {
	if !k.robust {
		return false
	}
	if k.places.Add(1) > maxPlaces {
		k.givePlace()
		return false
	}
	return true
}

func (k *keeper) givePlace() { k.places.Add(-1) }

// claim makes the slot this process's when it still holds w, and reports whether it could. IsLocked
// says that this process has the slot's byte locked, and keeps it so.
//
// What a death leaves behind: before the CAS, nothing. After it, the slot is
// found through pending, then also through the list, and is marked dead.
func (k *keeper) claim(s *slot, w uint64, isLocked bool) (ok bool) {
	k.do(func() {
		next := claimed(w, k.tid)
		if isLocked {
			next |= locked
		}
		if !k.ordered {
			next |= unordered
		}
		k.head.setPending(s.node())
		crashpoint.Here("proctab.claim.pending")
		// SYNC: claim: with this the process is alive for all others, under a new epoch.
		ok = s.word.CompareAndSwap(w, next)
		crashpoint.Here("proctab.claim.claimed")
		if ok {
			k.link(s)
			crashpoint.Here("proctab.claim.linked")
		}
		k.head.setPending(0)
		crashpoint.Here("proctab.claim.done")
	})
	return ok
}

// release gives the slot back and wakes the waiters for this process.
//
// What a death leaves behind: until pending is cleared the kernel marks the word, if it
// is not free yet, and wakes a sleeper in any case.
func (k *keeper) release(s *slot, free uint64) {
	k.do(func() {
		k.head.setPending(s.node())
		crashpoint.Here("proctab.release.pending")
		k.unlink(s)
		crashpoint.Here("proctab.release.unlinked")
		// SYNC: release: with this the owner has left.
		s.leave(free)
		crashpoint.Here("proctab.release.freed")
		futex.Wake(s.liveness(), math.MaxInt32)
		k.head.setPending(0)
		crashpoint.Here("proctab.release.done")
	})
}

// setOrdered notes that from now on a membarrier stops this process's threads.
func (k *keeper) setOrdered() {
	k.ordered = true
	for _, s := range k.linked {
		s.word.And(^uint64(unordered))
	}
}

// link puts the slot first: its own link is whole before the head leads to it.
func (k *keeper) link(s *slot) {
	s.setNext(k.after(-1))
	crashpoint.Here("proctab.link.next")
	k.head.setNext(s.node())
	k.linked = slices.Insert(k.linked, 0, s)
}

func (k *keeper) unlink(s *slot) {
	i := slices.Index(k.linked, s)
	if i < 0 {
		return
	}
	if i == 0 {
		k.head.setNext(k.after(0))
	} else {
		k.linked[i-1].setNext(k.after(i))
	}
	k.linked = slices.Delete(k.linked, i, i+1)
}

// after is the address of what follows the i-th node; -1 stands for the head.
func (k *keeper) after(i int) uint64 {
	if i+1 < len(k.linked) {
		return k.linked[i+1].node()
	}
	return k.head.end()
}
