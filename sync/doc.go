// Package shmsync has locks that processes share, by name, in a segment of the
// package shm. What happens when their holder dies is part of each of them.
//
// The package lies in the directory sync of the module and is called shmsync, so that
// a program can import it beside the standard package sync.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/shmkit/shmkit/shm"
//		shmsync "github.com/shmkit/shmkit/sync"
//	)
//
//	func main() {
//		seg, err := shm.OpenOrCreate("accounts", shm.Options{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer seg.Close()
//		repairs := 0
//		repair := func() error { repairs++; return nil } // makes whole what a dead holder left
//		mu, err := shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{Repair: repair})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := mu.Lock(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//		defer mu.Unlock()
//		fmt.Println("the ledger was repaired", repairs, "times")
//	}
//
// All processes of a user that run it share the lock.
//
// # Errors and repair
//
// An error never holds the lock: Lock, RLock, TryLock and similar methods return nil with the lock
// or an error without it. The one exception is [Cond.Wait]. Its caller had the lock before, and it
// returns with the lock even when it returns an error, so that the deferred Unlock is right.
//
// When a process dies while it holds a lock for writing, what the lock guards may be half-written.
// From then on the lock waits for repair: Lock returns an [*OwnerDiedError], which says which
// process died and when that was noticed, to every caller, until one of them repairs with
// LockRepair:
//
//	err := mu.LockRepair(ctx, func(died *shmsync.OwnerDiedError) error {
//		return rebuildLedger()
//	})
//
// LockRepair takes the lock, runs the function if there is something to repair, and returns nil
// with the lock. When the function fails, panics, or the process is killed in the middle, the lock
// goes on waiting for repair. So the function must be able to start over. With the option Repair
// every Lock repairs like that by itself.
//
// # The first of several
//
// A [Select] waits for the first of several operations: of queues and pipes, of an [Event], of what
// is over when a channel is closed. It says which one would not wait now, and takes nothing:
//
//	sel := shmsync.NewSelect(orders.Gets(), control.Gets(), shmsync.Done(worker.Sentinel()))
//	defer sel.Close()
//	for {
//		i, err := sel.Wait(ctx)
//		…
//		order, err := orders.TryGet() // where i is 0
//		if errors.Is(err, queue.ErrEmpty) {
//			continue // another consumer was faster
//		}
//		if errors.Is(err, queue.ErrClosed) {
//			sel.Set(0, shmsync.Source{}) // it would be ready for ever
//		}
//	}
//
// # Several objects under one lock
//
// Each change of a shm.Value or a shm.Array is whole by itself, whatever dies. A lock keeps several
// of them consistent with each other: every change of all of them happens under the lock, and so
// does every look. A holder that dies between two changes leaves objects that are whole, but do not
// fit together, and the lock waits for repair. So there must be a way to make them fit again. Three
// ways that work:
//
//   - Change one object last, which decides, and derive the others from it: the repair computes
//     them anew.
//   - Write down what is about to be done, in an object of its own, before the first change, and
//     clear that after the last one: the repair does all of it once more, or undoes it.
//   - Put what belongs together into one structure: a Value or an element of an Array changes as a
//     whole, and there is nothing to repair.
//
// The program examples/shared does the first.
//
// # Deaths
//
// A process may be killed at any instruction. What its death does to the others:
//
//	its role                         the others
//	holds the Mutex                  lockers that can repair get it at once; all others get an OwnerDiedError until that is done
//	waits for the Mutex              notice nothing
//	has unlocked, wakes waiters      the kernel wakes them in its place
//	was woken, has not locked yet    nothing: another one was woken with it; should both die, the rest look again within a second
//	is about to be given the lock    the next one gets it; it was not held
//	repairs it                       as if it had held the Mutex: it goes on waiting for repair
//	got an OwnerDiedError            notice nothing: it does not hold the Mutex
//
// RWMutex:
//
//	its role                         the others
//	holds a read lock                a writer that waits for it gets the lock; there is nothing to repair
//	waits to read, or has its turn   notice nothing; a writer may wait five milliseconds for the turn
//	is about to come in or go out    as if it had been inside
//	holds the write lock             lockers that can repair get it at once, readers too; all others get an OwnerDiedError
//	                                 until that is done
//	waits to write                   notice nothing; readers that it already kept out go on at once
//	has unlocked, wakes waiters      the kernel wakes them in its place, or they look again within a second
//	repairs it                       as if it had held the write lock
//	got an OwnerDiedError            notice nothing
//
// Semaphore:
//
//	its role                         the others
//	has units                        with Undo get exactly those back at once; without Undo they are lost
//	waits for units                  notice nothing
//	has released, wakes waiters      with Undo the kernel wakes them in its place; without, they look again within a second
//	was woken, has nothing yet       nothing: another one was woken with it; should both die, the rest look again within a second
//	has the turn                     the next ones acquire at once what is free
//	is stopped while it has the turn acquire five milliseconds later what is free
//
// WaitGroup:
//
//	its role                         the others
//	has not done what it added       with Undo that counts as done, at once; without Undo it never is
//	waits                            notice nothing
//	was the last, wakes waiters      with Undo the kernel wakes them in its place; without, they look again within a second
//
// Barrier:
//
//	its role                         the others
//	has not arrived yet              get ErrBroken at once, also those that arrive later, until a Reset
//	waits                            the same
//	runs the action                  the same
//	was the last to come, goes on    return from the round; the next one breaks
//	has aborted, wakes waiters       get ErrBroken; the kernel wakes them in its place
//	resets                           find the barrier broken or whole; waiters get ErrBroken
//	is no party, looks on            notice nothing; if it was waking those it broke it for, they look again within a second
//
// Once:
//
//	its role                         the others
//	runs the function                one of the waiters runs it again, at once; or the next to come
//	waits                            notice nothing
//	has run it, has not said so      the function is run again
//	has said so, wakes waiters       return: it is done
//
// RecursiveMutex: as a Mutex, however often its holder has locked it.
//
// Cond:
//
//	its role                         the others
//	waits                            notice nothing: notifications pass it over
//	was notified, has not the lock   another waiter gets its notification; at once if it watches that process, else within a second
//	has the lock again               as with that lock; perhaps one waiter more returns
//	was told of a death, has the     the lock goes on waiting for repair, as after its Unlock
//	lock again
//	notifies                         those that it has notified return, the last one within a second
//	broadcasts                       all return within a second, or none
//	holds the lock of the waiters    they return within a second, with an OwnerDiedError, while that lock waits for repair
//
// Event:
//
//	its role                         the others
//	waits                            notice nothing
//	sets it                          all return, within a second, or it is not set
//	clears it                        find it cleared or not
//
// The owner of a lock is an attachment to the segment, which ends with its process. A process that
// closes the segment while it holds a lock counts as dead for all others.
//
// # Fairness
// A free lock goes to the first process that comes, which makes it fast. A process that has waited
// for a millisecond asks for the next turn, and the next Unlock hands it the lock. It has five
// milliseconds to take the lock, so that a process that is stopped just then does not hold up the
// others. Within a process waiters are served in the order in which they came, but a goroutine that
// finds the lock free at that moment overtakes them.
//
// Readers that wait for an RWMutex go in when the writer leaves, all those of a process together,
// before the next writer does. They have five milliseconds for that; a process that misses them has
// to wait for one writer more.
//
// # Deadlocks
// [Blocked] lists which processes wait for which objects, since when, and for which other
// processes, and the cycles among them. A wait is listed when it is about to sleep. Up to 31 waits
// of each process are listed, the others are counted.
//
// With the option DetectDeadlock of a Mutex, a RecursiveMutex, or the write lock of an RWMutex, an
// attempt to lock that would close a cycle returns [ErrDeadlock], before it sleeps and without the
// lock. A cycle is one of processes, each of which waits for a lock that the next one has alone. A
// process that waits to read is part of a cycle as long as a writer has the lock. Of processes that
// close a cycle together at least one is refused. Set the option wherever these locks are locked:
// an attempt looks for a cycle only where it is set, and only once.
//
// What it sees are processes, not goroutines, since locks belong to processes. So:
//
//   - A process that waits for what it has itself is in no cycle: another of its goroutines may
//     unlock it.
//   - A process waits as soon as one of its goroutines does. When another one is free to unlock,
//     the cycle would come apart, and the attempt is refused all the same. The option is for
//     programs in which the goroutine that waits is the one that has the locks; others are better
//     off with a deadline.
//   - A wait with a deadline counts as one without.
//   - Read locks that are held, units of a Semaphore, Conds, Events, Barriers, WaitGroups and
//     queues close no cycle. Nor does a wait for which the 31 places of its process have no room.
//
// # Caveats
//
// A lock belongs to a process, not to a goroutine. A stopped process (SIGSTOP, a
// debugger) is alive: its locks are waited for. A lock that is waited for without a
// deadline while its holder waits for the caller is a deadlock, as with any lock.
//
// A holder that dumps core is waited for until the dump is written: the kernel announces its death
// after it. A limit for the size of dumps (ulimit -c), or a pipe that takes them quickly, bounds
// that.
//
// Where the kernel refuses robust lists, a death shows when the last descriptor of the dead process
// is closed. A child that C code has forked, and that runs no other program yet, has copies of
// them: the death is not seen before that child ends.
//
// A process that CRIU has written down, ended and restored (docker checkpoint, podman, a live
// migration) is dead for all others from that end on. When it goes on, each lock of a [Mutex] fails
// with [ErrTakenForDead], also one that is free, so that it is never inside together with others.
// What it held when it was written down was taken over meanwhile: until its Unlock, which does
// nothing then, it may be inside together with the next holder. What it had of a [Semaphore] or a
// [WaitGroup] with Undo is given back, and its calls that change one fail in the same way. Readers
// of an [RWMutex], and what needs no Mutex, do not notice it. It closes its segments after a
// restore and opens them anew.
//
// Two goroutines of one process that both unlock, at the same instant, what was locked once may
// both succeed, and let others in two at a time. At any other time the second Unlock panics.
package shmsync
