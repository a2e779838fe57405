// Package shmsync has locks that processes share, by name, in a segment of the
// package shm. What happens when their holder dies is part of each of them.
//
// The package lies in the directory sync of the module and is called shmsync, so that
// a program can import it beside the standard package sync.
//
//	seg, err := shm.OpenOrCreate("accounts", shm.Options{})
//	…
//	mu, err := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{Repair: rebuildLedger})
//	…
//	if err := mu.Lock(ctx); err != nil {
//		return err
//	}
//	defer mu.Unlock()
//
// # Deaths
//
// A process may be killed at any instruction. What its death does to the others:
//
//	its role                         the others
//	holds the Mutex                  the next one to lock gets it at once, with ErrOwnerDied or repaired
//	waits for the Mutex              notice nothing
//	has unlocked, wakes a waiter     the kernel wakes the waiters in its place
//	was woken, has not locked yet    are free to lock; who sleeps looks again within a second
//	was told of a death, not done    the next one to lock is told in turn
//
// # Caveats
//
// A lock belongs to a process, not to a goroutine. A stopped process (SIGSTOP, a
// debugger) is alive: its locks are waited for. A lock that is waited for without a
// deadline while its holder waits for the caller is a deadlock, as with any lock.
package shmsync
