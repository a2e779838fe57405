// Package proctab is the table of the processes that are attached to a segment.
// It makes the death of a process an event that the kernel announces, not a guess.
//
// # Slots
//
// Every attached process owns one slot, and is named in locks, queues and tasks by
// its [Owner] id, which is made of the slot's number and epoch. One goroutine of
// the process, the keeper, is locked to a thread of its own. The robust list of that
// thread (see set_robust_list(2)) holds the liveness words of all slots of the process.
// When the process ends, in whatever way, the kernel marks these words and wakes a
// sleeper of each. No process polls, no process ids are compared, and the table works
// between containers with PID namespaces of their own.
//
// Each process also has a byte of the segment's file locked, at its slot, by an
// open-file-description lock of its own. Where the kernel refuses robust lists, that lock takes
// their place, and also for attachments of a process beyond those that its list can hold. The lock
// ends with the process just as surely, but its end wakes no waiter, so that waiters look from time
// to time. Both kinds share a table. Where there is a list, waiters look at the lock once a second:
// see Caveats.
//
// # States of a slot
//
//	#  liveness                 epoch  meaning                       next
//	1  0                        e      free                          claim -> 2 or 4
//	2  tid|WAITERS              e+1    owned by a living process     detach -> 1, death or byte not locked any more -> 3
//	3  OWNER_DIED (kernel)      e+1    its process died              claim -> 2 or 4 with epoch e+2
//	4  tid|WAITERS, byteLocked  e+1    owned, if the byte is locked  detach -> 1; not locked: claim -> 2 or 4 with epoch e+2
//
// Liveness and epoch are one 64-bit word, so that no state lies between them. The
// WAITERS bit is set all the time: the kernel then always wakes a sleeper.
//
// # Claim and release
// The keeper itself changes the list and the words that hang on it. Any other thread could run on
// for a moment after the keeper of its dying process has ended, and leave a word that the kernel
// does not mark any more.
//
// While a slot changes hands its byte is locked. The kernel tells the owner of a word by the thread
// id alone, and two PID namespaces have equal ids: a process that dies while it claims a slot must
// not mark the word of another which has claimed the slot meanwhile. A process that finds the byte
// locked takes another slot, and waits a moment only when there is none.
//
// # Dying threads
//
// The keeper of a dying process may end before another of its threads has stopped. So [Table.Dead]
// issues a membarrier, once for each death, before a caller acts on the death. Why that is enough:
//
//   - A process dies as a whole by exit_group, by a fatal signal or by exec. In each case the
//     kernel makes a SIGKILL pending for all threads under one lock (siglock), which every thread
//     passes on its way out. So when the keeper's word is marked, no thread is without the signal.
//   - A thread with a fatal signal pending never returns from the kernel to its program. What is
//     left are the threads that have not entered the kernel since: each is running on a processor
//     at this moment.
//   - The membarrier interrupts every processor that runs a thread of a registered process, and
//     waits for the interrupts to be done. Each sends its thread through the kernel, and drains the
//     stores that it made before. A processor that switches to a thread of the dying process at the
//     same time passes a barrier after the switch and looks for signals after that: if the
//     membarrier did not see the thread, the thread sees the signal.
//   - The processor that issues the membarrier, and a machine with only one, run no other thread
//     meanwhile.
//
// A process that is not yet registered for membarriers, or was refused, says so in its slot. Then a
// short sleep takes the place of the membarrier, and the proof rests on the interrupts of the kill
// itself, which arrive within microseconds. A process that claims the slot of a dead one does the
// same before it does so. A byte lock needs nothing of the kind: the kernel gives it up when the
// last thread has gone.
//
// # Caveats
//
// A system call that copies into the segment, such as a read into a shared array, is no instruction
// of the process: the kernel may go on copying for a moment after the death. Read into private
// memory and copy.
//
// The owners of slots that were detached live on: [Table.Dead] says of them only that they have
// left.
//
// The list runs through the slots. A writer of the segment can cut it, so that the list does not
// tell of later deaths of the processes that are attached there, also in their other segments.
// There the waiters find the lock of the dead process's slot gone, within about a second.
//
// A process that is restored from a checkpoint finds its slot dead, or another's: see [Life].
//
// The process dumps core before its death is announced, if it does.
package proctab
