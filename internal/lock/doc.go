// Package lock holds the robust mutex and the event count that every other object
// of the toolkit is built from.
//
// # The mutex
//
// A lock lives in 16 bytes of shared memory. Its word names the process that owns
// it; an owner that dies is noticed through the process table, and whoever waits
// takes the lock over and is told.
//
//	word, the futex:
//	  bits 0..29  owner id (see proctab.Owner), 0: free, all ones: unrecoverable
//	  bit 30      handed: given to the owner, who has not taken it yet
//	  bit 31      waiters: somebody may sleep on the word
//
//	#  owner    handed waiters  meaning                        next
//	1  0        0      0        free                           lock -> 2
//	2  p        0      0        held, nobody asleep            unlock -> 1, wait -> 3
//	3  p        0      1        held, wake one on unlock       unlock -> 1 + wake, hand over -> 4, p dies -> 5
//	4  q        1      1        handed to q, who waits long    q takes it -> 3, q dies or dawdles: another takes it -> 3
//	5  p, dead  0      *        orphaned                       take over -> 3, inconsistent
//	6  all ones 0      0        unrecoverable                  stays
//
// An uncontended Lock is one compare-and-swap 1 -> 2, Unlock one 2 -> 1.
//
// After #5 the state word says inconsistent. Its holder always holds as #3, so
// that Unlock takes the slow path and finds out: if nobody called MarkConsistent
// the word becomes #6.
//
// # Waiting
//
// In each process one goroutine at a time, the leader, competes in the slow path; the
// others queue at the gate, a Go channel. The leader spins with pauses that
// double, which lets the holder finish several rounds before the cache line moves,
// then sets the waiters bit and sleeps on the word and on the liveness of the
// owner. A leader that has slept keeps the waiters bit when it gets the lock: it
// cannot know who else sleeps. One that gives up passes on the wake-up it may have consumed.
//
// A leader that has waited for a millisecond puts its id into the starving word.
// The next slow Unlock hands the lock to it instead of freeing it, so that nobody who
// comes later can overtake. Handing is an offer, not ownership: when it is not taken up in
// time, because the process is stopped or its waiter just gave up, any other waiter takes it.
//
// # Deaths
//
// What the death of a process leaves behind, and who mends it:
//
//	holding the lock, in any state     #5: the next locker takes over and is told
//	freed, but nobody woken            sleepers watch the liveness of the owner they saw: the kernel wakes them
//	woken, but lock not taken          the wake-up is lost; other sleepers look again within the backstop
//	starving, or handed the lock       ignored, or taken over without inconsistency: it never held it
package lock
