// Package lock holds the robust mutex and the event count that every other object
// of the toolkit is built from.
//
// # The mutex
//
// A lock lives in 16 bytes of shared memory. Its word names the process that owns
// it; an owner that dies is noticed through the process table, and whoever waits
// takes the lock over and is told.
//
//	word:
//	  bits 0..29  owner id (see proctab.Owner), 0: nobody, all ones: unrecoverable
//	  bit 30      suspect: a holder died, and nobody has marked the lock consistent since
//	  bit 31      handed: given to the owner, who has not taken it yet
//
//	#  owner    suspect handed  meaning                           next
//	1  0        0       0       free                              lock -> 2
//	2  p        0       0       held                              unlock -> 1, hand over -> 3, p dies: 4
//	3  q        0       1       handed to q, who waits long       q takes it -> 2, refuses it -> 1; q dies, gives up or dawdles: another takes it -> 2
//	4  p, dead  *       0       orphaned                          take over -> 5
//	5  p        1       0       held by one who was told          mark consistent -> 2, unlock -> 7, abandon -> 6, p dies: 4
//	6  0        1       0       left by one who could not repair  lock -> 5
//	7  all ones 0       0       unrecoverable                     stays
//
// All that a death must not tear apart is in this one word, and each arrow is one access to it. While p lives and
// holds the lock, in #2 and #5, only p changes the word.
//
// Lock is the compare-and-swap 1 -> 2. Unlock is the store 2 -> 1, and a load of the
// bell, the word that sleepers sleep on: see [bell]. There is no second locked instruction, for two of them are
// most of what a lock costs. Whoever is about to sleep makes up for it with a membarrier.
//
// # Waiting
//
// In each process one goroutine at a time, the leader, competes in the slow path; the
// others queue at the gate, a Go channel. The leader spins with pauses that
// double, which lets the holder finish several rounds before the cache line moves,
// then arms the bell, looks again, and sleeps on the bell and on the liveness of the
// owner. One that gives up passes on the wake-up it may have consumed.
//
// A leader that has waited for a millisecond puts its id into the starving word.
// The next slow Unlock hands the lock to it instead of freeing it, so that nobody who
// comes later can overtake. Handing is an offer that stands while the starving word says so. Only the
// addressee clears it: when it has the lock, or before it gives up. When the offer is not taken up in
// time, because the process is stopped, any other waiter clears it, and takes the lock.
//
// # Deaths
//
// What the death of a process leaves behind, and who mends it:
//
//	holding the lock, in any state     #4: the next locker takes over and is told
//	freed, but nobody woken            sleepers watch the liveness of the owner they saw: the kernel wakes them
//	woken, but lock not taken          Unlock wakes two; when both die, the others look again within the backstop
//	starving, or handed the lock       ignored, or taken over as if it had been free: it never held it
//	about to sleep, or asleep          an armed bell, which costs the next Unlock a system call
//
// # Misuse
//
// A process that unlocks what it does not hold gets a panic, and changes nothing. But two goroutines
// that both unlock, at the same instant, what their process has locked once may both find it locked: then the
// second store frees what another process has locked in between.
package lock
