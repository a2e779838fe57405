// Package model checks the protocols of internal/lock and internal/proctab: it holds models of them
// in Promela, and a test that lets spin search every interleaving of every step.
//
// # What is modelled
//
// mutex.pml, with world.pml and unlock.pml, is the robust mutex: the fast paths, the leader's slow
// path, the bell, handing over, taking over after a death, waiting for repair, reporting a death,
// cancelling, closing. Each atomic block is one access to shared memory; a comment names the Go
// function that it mirrors. A process may be killed between any two of them. Then the kernel marks
// its liveness word, and in a step of its own wakes one sleeper of it, which may be a thread of the
// dead process itself. The plain stores of TryUnlock go through a store buffer, which drains late,
// as on amd64.
//
// proctab.pml is one slot of the process table, and the robust lists of the processes that claim
// and leave it.
//
// sleep.pml is the bell and the event count without a lock around them: asking for fences,
// membarrier, announcing, looking again, sleeping, ringing, and giving the fences up. Changes are
// plain stores that drain late, or locked instructions. Sleepers and notifiers die at any step. The
// model is also searched without membarriers, and with a second look that is satisfied early, which
// must fail.
//
// select.pml is a Select, which sleeps on two bells at once, beside a sleeper on one of them: that
// the kernel uses up the wake-ups of both, that they are passed on, that one membarrier is enough
// for all bells.
//
// cond.pml is the condition variable: which waiters are granted the return, and what happens to the
// grants of dead processes.
//
// semaphore.pml is the semaphore with undo and without: acquiring, the turn, releasing, cancelling,
// and recounting after a death. Its lock is one step, and goes to the next process when its owner
// dies, as mutex.pml shows.
//
// rwmutex.pml is the readers-writer lock: the seats of processes and the bars of writers in them,
// turns, readers that are let in by others of their process, taking over from dead writers, and
// leaving out dead readers. The lock of its writers is one step, too.
//
// queue.pml is the slots of a queue of many: claiming, publishing, taking, freeing, skipping the
// slots of dead processes, withdrawing, dropping and closing. ring-sleep.pml is the sleep of the
// two ends of a queue of one producer and one consumer, how it is closed, and how a role is taken
// over.
//
// broadcast.pml is a broadcast that waits for its readers: the limit up to which a writer writes,
// the looks at the readers, subscribing, leaving and expelling, whom each bell wakes, and how a
// writer adopts what the last one has left.
//
// barrier.pml is the barrier: arriving, tripping, the action, giving up, breaking and resetting, by
// parties and by a process that is not a party.
//
// # What is checked
//
//   - Two goroutines never own the lock at the same time, and no store frees a lock of another
//     owner.
//   - A locker that gets the lock after the death of its holder is told of it, until a repair. A
//     death that is reported has happened. A lock that was unlocked without repair waits for one.
//   - A lock that is handed over is taken by the leader of the addressed process. Another process
//     takes it only when that process is dead, and is then not told of a death, or has given up.
//   - No process sleeps for ever. Without a death no sleeper needs the backstop; after a death it
//     may need it where BACKSTOP is given. With a single death, or with deaths of owners only, none
//     needs it.
//   - No reader has the lock together with a writer. At most one writer overtakes a reader that
//     waits for its turn.
//   - No two processes have the same unit. The free units are those that living processes have
//     left, and the units of a dead process come back.
//   - A waiter is told that all parties have arrived at a barrier only if they have, and all
//     waiters of a generation are told the same. No waiter waits for a dead party that had a seat
//     when the waiter arrived.
//   - Each reader of a broadcast gets the messages that were committed since it subscribed, one by
//     one and whole. No writer sleeps for a reader that is dead or has left.
//   - No execution is endless: the checks named "ends" search for cycles.
//   - The kernel never marks a living process dead, and never leaves the slot of a dead process
//     alive, even when thread ids are equal, as they are in several PID namespaces.
//
// Every mistake BROKEN_* that the models can be built with must be found; otherwise the test fails.
//
// # What is abstracted
//
//   - Spinning, which is only more looks at the word, and time: a waiter may starve, and the
//     receiver of a lock may be late, at any moment.
//   - The turn of the bell: the process that moved it last stands for its value, which does not
//     wrap around. The number of changes without a waiter after which a bell is quiet is left open:
//     it may be any number.
//   - The identity of a dead process in the text of an error, and process ids.
//   - Only plain stores are delayed. Loads are in order, except with BROKEN_LOOK_EARLY. Go's atomic
//     operations are sequentially consistent.
//   - The gate: a process has one leader, and in some configurations one more goroutine on the fast
//     path.
//   - Close waits without a limit for a store that TryUnlock has announced. The real one gives up
//     in the end, and makes its memory private before it detaches, which is not modelled. Giving up
//     alone is the mistake BROKEN_CLOSE_NOT_SETTLED.
//   - The fallbacks without robust lists or futex_waitv are not modelled; of the system without
//     membarrier only the bell is.
//
// # How to run
//
//	apt-get install spin gcc
//	go test ./internal/model                                # the searches that a change must pass: half a minute
//	SHMKIT_MODEL=small go test ./internal/model             # also each mistake, and short searches: three minutes
//	SHMKIT_MODEL=normal go test ./internal/model            # four minutes
//	SHMKIT_MODEL=full go test -timeout 2h ./internal/model  # all searches: ten minutes; 12 GB of memory
//
// Without spin or a C compiler the test is skipped, and fails where the variable CI is set.
package model
