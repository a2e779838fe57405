// Package model checks the protocols of internal/lock and internal/proctab: it holds models of them
// in Promela, and a test that lets spin search every interleaving of every step.
//
// # What is modelled
//
// mutex.pml, with world.pml and unlock.pml, is the robust mutex: the fast paths, the leader's slow
// path, the bell, handing over, taking over from the dead, waiting for repair, reporting a death,
// cancelling, closing. Each atomic block is one access to shared memory; a comment names the Go
// function that it mirrors. A process may be killed between any two of them. Then the kernel marks
// its liveness word, and in a step of its own wakes one sleeper of it, which may be a thread of the
// dead process itself. The plain stores of TryUnlock go through a store buffer, which drains late,
// as on amd64.
//
// proctab.pml is one slot of the process table and the robust lists of those who claim and leave it.
//
// sleep.pml is the bell and the event count without a lock around them: ask for fences, membarrier, announce, look again, sleep,
// ring, and let the fences go. Changes are plain stores that drain late, or locked instructions; sleepers and notifiers die at any
// step. It is searched without membarriers, too, and with a second look that is satisfied early, which must fail.
//
// cond.pml is the condition variable: who is granted the return, and what becomes of the grants of the dead.
//
// semaphore.pml is the semaphore with undo and without: acquiring, the turn, releasing, cancelling, and counting anew what the dead
// had. Its lock is one step that goes to the next one when its owner dies, which mutex.pml shows.
//
// rwmutex.pml is the readers–writer lock: seats and their bars, turns, readers who are let in by others of their process,
// taking over from dead writers, counting out dead readers. Its lock of the writers is one step, too.
//
// queue.pml is the slots of a queue of many: claiming, publishing, taking, freeing, skipping the dead, withdrawing, dropping and
// closing. ring-sleep.pml is how the two ends of a queue of one producer and one consumer sleep for each other, how it is closed, and
// how a role is taken over.
//
// barrier.pml is the barrier: coming, tripping, the action, giving up, breaking and resetting it, by parties and by a
// process that is none.
//
// # What is checked
//
//   - Nobody owns the lock together with another; no store frees what somebody else has locked.
//   - A locker that gets the lock after a holder died is told, until one has repaired; a death that
//     is told or reported has been there. What was unlocked without repair waits for it.
//   - What is handed over is taken by the leader of the addressee, or when that is dead, without being told, or has given up.
//   - Nobody sleeps for ever. Without a death no sleeper may need the backstop; after one it may,
//     where BACKSTOP is given. With a single death of anybody, or with deaths of owners only, none needs it.
//   - No reader is inside with a writer. A reader who waits for its turn is passed by one writer at most.
//   - Nobody has units that another has, too; what is free is always what the living have left, and what the dead had comes back.
//   - Who is told that all parties have come to a barrier is told the truth, and all who waited for them are told the same.
//     Nobody waits for a party that had a seat when it came, and is dead.
//   - No execution is endless: the checks named "ends" search for cycles.
//   - The kernel never marks a living process dead, and leaves no slot of a dead one alive, even when thread ids
//     are equal, as they are in several PID namespaces.
//
// Every mistake BROKEN_* that the models can be built with must be found; else the test fails.
//
// # What is abstracted
//
//   - Spinning, which is only more looks at the word, and time: a waiter may starve, or dawdle, at any moment.
//   - The turn of the bell: who moved it last stands for its value. Wrapping around is not modelled. How many changes in vain it takes
//     until a bell is quiet again is left open: any number.
//   - The identity of the dead for the error's text, and pids.
//   - Loads are in order, but for BROKEN_LOOK_EARLY, and only plain stores are delayed. Go's atomic operations are sequentially consistent.
//   - The gate: a process has one leader, and in some configurations one goroutine more on the fast path.
//   - Close waits without a limit for a store that TryUnlock has announced. That it gives up at last, and makes its memory
//     private before it detaches, is not modelled; giving up alone is the mistake BROKEN_CLOSE_NOT_SETTLED.
//   - The fallbacks without robust lists or futex_waitv; without membarrier only the bell is modelled.
//
// # How to run
//
//	apt-get install spin gcc
//	go test ./internal/model                                       # of each model the searches that matter most: half a minute
//	SHMKIT_MODEL=small go test ./internal/model                    # each mistake, and what is quickly searched: three minutes
//	SHMKIT_MODEL=normal go test ./internal/model                   # four minutes
//	SHMKIT_MODEL=full go test -timeout 2h ./internal/model         # all: ten minutes; 12 GB of memory
//
// Without spin or a C compiler the test is skipped, and fails where the variable CI is set.
package model
