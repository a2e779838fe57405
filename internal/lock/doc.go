// Package lock holds the robust mutex and the event count that every other object
// of the toolkit is built from.
//
// # The mutex
//
// A lock lives in 16 bytes of shared memory. Its word names the process that owns
// it; an owner that dies is noticed through the process table, and a waiter
// takes the lock over and is told.
//
//	word:
//	  bits 0..29  owner id (see proctab.Owner), 0: none
//	  bit 30      inconsistent: an owner died, and what the lock guards has not been repaired since
//	  bit 31      handed: given to the owner, which has not taken it yet
//
//	#  owner    inconsistent  handed  meaning           next
//	1  0        0             0       free              lock -> 2
//	2  p        0             0       held              unlock -> 1, hand over -> 3, p dies: 4
//	3  q        0             1       handed to q       q takes it -> 2, refuses it -> 1; q dies, gives up
//	                                                    or lets it lie: another takes it -> 2
//	4  p, dead  *             0       orphaned          repair -> 5
//	5  p        1             0       p repairs         mark consistent -> 2, unlock -> 6, p dies: 4
//	6  0        1             0       waits for repair  repair -> 5
//
// An owner id that no process can have counts as a dead one: damaged bytes are repaired like a
// death.
//
// All that a death must not tear apart is in this one word, and each arrow is one access to it.
// While p lives and holds the lock, in #2 and #5, only p changes the word.
//
// Lock is the compare-and-swap 1 -> 2. Unlock is the store 2 -> 1, and a load of the bell, the word
// that sleepers sleep on: see [bell]. There is no second locked instruction, for two of them are
// most of what a lock costs. The first waiter makes up for it with a membarrier, and has later
// unlocks fence; see [bell].
//
// # Waiting
//
// In each process one goroutine at a time, the leader, competes in the slow path; the
// others follow, see [LeaderFollower]. The leader spins with pauses that
// double, which lets the holder finish several rounds before the cache line moves,
// then arms the bell, looks again, and sleeps on the bell and on the liveness of the
// owner. One that gives up passes on the wake-up it may have consumed.
//
// A leader that has waited for a millisecond puts its id into the starving word. The next slow
// Unlock hands the lock to it instead of freeing it, so that no locker that comes later can
// overtake. Handing is an offer that stands while the starving word says so. Only the addressee
// clears it: when it has the lock, or before it gives up. When the offer is not taken up in time,
// because the process is stopped, any other waiter clears it, and takes the lock.
//
// # Two contracts
//
// A lock that waits for repair is in #4 or #6. Only a locker that can repair takes it from there:
//
//   - [Mutex.LockWith] and [Mutex.TryLockWith] are for programs. An error of theirs never comes
//     with the lock. Without a repair function they leave a lock in #4 or #6 as it is, and every
//     one of them reports the death until another locker has repaired. With one, the function runs
//     in #5; when it fails, panics or ends its goroutine, the lock goes to #6.
//   - [Mutex.Lock] and [Mutex.TryLock] are for objects of this toolkit that are whole at every
//     step, or repair by themselves. Their [*OwnerDiedError] comes with the lock, in #5. So a
//     waiter of a [Cond] has it back whatever happened meanwhile.
//
// An Unlock in #5 leads to #6, whichever contract led there. So no error path makes a lock look
// whole.
//
// Reporting a death changes nothing in the word, and so cannot be interrupted. In the middle of a
// repair a death leads to #4 again. The crash points of a repair, and what they leave behind:
//
//	before take                        #4 or #6: as it was
//	lock.taken                         #4: the repairer is the dead owner now
//	lock.named                         the same, and the report names the owner before
//	in the repair function             the same
//	lock.consistent                    #4: the repairer died as an owner that had been told nothing
//	lock.abandoned                     #6; sleepers of other processes see the repairer's death
//
// # Deaths
//
// What the death of a process leaves behind, and what mends it:
//
//	holding the lock, in any state     #4: the next locker repairs, or reports the death
//	freed, but no sleeper woken        sleepers watch the liveness of the owner they saw: the kernel wakes them
//	woken, but lock not taken          Unlock wakes two; when both die, the others look again within the backstop
//	starving, or handed the lock       ignored, or taken over as if it had been free: it never held it
//	about to sleep, or asleep          an armed bell, which costs the next Unlock a system call
//
// # Misuse
//
// A process that unlocks what it does not hold gets a panic, and changes nothing. But two
// goroutines that both unlock, at the same instant, what their process has locked once may both
// find it locked: then the second store frees what another process has locked in between.
package lock
