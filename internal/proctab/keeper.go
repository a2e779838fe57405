package proctab

import (
	"runtime"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// A keeper is the goroutine whose thread carries the robust list of the process.
// There is one per process, from the first attachment on, and it never ends: its
// end would look like the death of the process.
type keeper struct {
	mu     sync.Mutex // guards the list, so that the kernel finds it whole at any moment
	head   *robustHead
	linked []*slot // the list as it should be, first to last; the shared copy is never read back
	tid    uint32  // immutable
	robust bool    // immutable: the kernel took the list
}

var theKeeper = sync.OnceValue(func() *keeper {
	k := &keeper{head: new(robustHead)}
	ready := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		k.tid = threadID()
		k.robust = !futex.Disabled("robust") && k.head.register()
		close(ready)
		select {}
	}()
	<-ready
	return k
})

// claim makes the slot this process's when it still holds w, and reports whether it could.
//
// What a death leaves behind: before the CAS, nothing. After it, the slot is
// found through pending, then also through the list, and is marked dead.
func (k *keeper) claim(s *slot, w uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.head.setPending(s.node())
	crashpoint.Here("proctab.claim.pending")
	// SYNC: claim: with this the process is alive for everybody, under a new epoch.
	ok := s.word.CompareAndSwap(w, claimed(w, k.tid, false))
	crashpoint.Here("proctab.claim.claimed")
	if ok {
		k.link(s)
		crashpoint.Here("proctab.claim.linked")
	}
	k.head.setPending(0)
	return ok
}

// release gives the slot back. A death before the word is freed is covered by pending.
func (k *keeper) release(s *slot, free uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.head.setPending(s.node())
	crashpoint.Here("proctab.release.pending")
	k.unlink(s)
	crashpoint.Here("proctab.release.unlinked")
	s.word.Store(free)
	crashpoint.Here("proctab.release.freed")
	k.head.setPending(0)
}

// link puts the slot first: its own link is whole before the head leads to it.
func (k *keeper) link(s *slot) {
	s.setNext(k.after(-1))
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
