// Package proctab is the table of the processes that are attached to a segment.
// It makes the death of a process an event that the kernel announces, not a guess.
//
// # Slots
//
// Every attached process owns one slot, and is named in locks, queues and tasks by
// its [Owner] id, which is made of the slot's number and epoch. One goroutine of
// the process, the keeper, sits on a thread of its own whose robust list (see
// set_robust_list(2)) holds the liveness words of all its slots. When the process
// ends, in whatever way, the kernel marks these words and wakes a sleeper of each.
// No process is polled, no pid is compared, and the table works between containers
// with PID namespaces of their own.
//
// Where the kernel refuses robust lists, an open-file-description lock on a byte of
// the segment's file takes their place. It ends with the process just as surely,
// but does not wake anybody, so that waiters look from time to time.
//
// # States of a slot
//
//	#  liveness                 epoch  meaning                       next
//	1  0                        e      free                          claim -> 2
//	2  tid|WAITERS              e+1    owned by a living process     detach -> 1, death -> 3
//	3  OWNER_DIED (kernel)      e+1    its process died              claim -> 2 with epoch e+2
//
// Liveness and epoch are one 64-bit word, so that no state lies between them. The
// WAITERS bit is set all the time: the kernel then always wakes a sleeper.
//
// # Dying threads
//
// The keeper of a dying process may end before another of its threads has stopped.
// When a process is killed, the kernel marks all its threads under one lock before any
// of them can end; so a membarrier, which interrupts every processor that runs a
// registered process, leaves none of them a further instruction. [Table.Dead] issues
// it once for each death, before anybody acts on the death.
package proctab
