// Package pool runs typed tasks in worker processes, and loses nothing when one of them is killed.
//
// Go cannot fork. A worker is this very program, started again: it gets to [Main], which runs it
// and never returns. A [Task] is defined once, as a package-level variable, so that parent and
// worker know it by the same name.
//
//	var Square = pool.Define("square", func(ctx context.Context, n int64) (int64, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		pool.Main() // first of all; in a worker it runs tasks and never returns
//		ctx := context.Background()
//		p, err := pool.New(ctx, pool.Options{Workers: 4})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer p.Close()
//		squares, err := pool.Map(ctx, p, Square, []int64{1, 2, 3})
//		…
//	}
//
// A [Pool] is for many tasks that return something. A Process, of package process, is for one task
// that runs for long and talks through shared objects in its argument, such as a queue: it has a
// name, an exit code, and options for its environment, files, processors and memory; its result is
// dropped. Both run the same tasks.
//
// # Calls
//
//	Apply          one argument; waits for the result
//	ApplyAsync     one argument; returns a [Future], with Get, Ready, Done, and callbacks for the result and the error
//	Map            a slice; waits for all results, in order; the first error ends it
//	MapAsync       the same as a Future
//	IMap           an iterator, of any length; yields results in order, errors among them, and reads only a few arguments ahead
//	IMapUnordered  the same, each result as soon as it is there
//	IMapErr, …     the same for iterators that can fail
//	Stream         one argument of a task that yields; an iterator over its values, while it runs
//
// All take a context. When it ends, tasks that have not begun are dropped, the contexts of those
// that run end, and the call returns the cause. So does leaving the loop over an IMap. At most
// Options.Backlog tasks are on their way; a caller that has more waits.
//
// To hand over a task costs some microseconds. Map therefore sends several arguments at once, a
// chunk: it measures how long they take, so that a chunk is long enough to hide its cost and short
// enough that no worker is left with much at the end. TaskOptions.Chunk sets a size, for IMap, too,
// where it is 1 otherwise.
//
// # Streams
//
// A [StreamTask], made by [DefineStream], yields values while it runs: progress, partial results,
// the lines of a large answer. [Stream] is the loop over them. A slow loop slows the task down:
// values wait in a ring of at most 64 KiB in shared memory, and then the task's yield blocks.
//
//	the loop, or its worker                 the task                                  the loop gets
//	the loop is left, its context ends      its context ends, yield reports false     nothing more; the cause
//	the task returns, or yields an error    -                                         all values, then the error
//	it panics                               -                                         all values, then a *PanicError
//	its worker dies                         has lost the value it was about to yield  the values before, then a *WorkerDiedError
//	… before it has yielded anything        runs again, as any other                  the values of the next attempt
//	the pool is closed                      finishes                                  all values
//	the pool is terminated                  its context ends                          what has come, then ErrClosed
//
// # Deadlines and attempts
//
// [Task.With] makes the same task with other [TaskOptions]:
//
//	soft deadline   the task's context ends; what the task returns then is its result
//	hard deadline   the worker tells the stack of the task, at most a second, is killed and replaced; the call fails with a
//	                [*DeadlineError], which has that stack; there is no other attempt. A task that returns meanwhile has its result
//	Retry           asked whether a task that returned an error or panicked runs again, and when
//	Deaf            how long a task goes on after its caller has gone: then its worker is killed
//	Attempts        how many workers a task may kill: then it is quarantined, and fails with a [*WorkerDiedError]
//
// Time in the queue does not count for deadlines; each attempt has its own.
//
// # Resources
//
// A [Resource] is what each worker opens before its first task and closes after its last one, such
// as a connection: in the order of Options.Resources, and backwards. A task gets it with
// [Resource.Get]. [New] waits until all workers have opened theirs, and fails with the error of the
// one that could not; a later one that cannot ends the pool with that error.
//
// A resource has an argument, such as the address of the database, which [Resource.With] gives for
// one pool. What only some tasks open, [Finalize] has the worker close before it closes its
// resources.
//
// Resources are closed when the worker ends in any way but by its death: a SIGKILL, also that of a
// hard deadline or of a grace that is over, a crash, os.Exit. After those Options.OnWorkerExit,
// which the parent calls at every end of a worker, is the place to clean up.
//
// # Arguments and results
//
//	numbers, bools, arrays and structs of them   copied as they are, with all fields
//	slices of those, as arguments                a view of shared memory: the task's until it returns; copied where they are results
//	all else                                     CBOR: strings, slices, maps, pointers, structs of exported fields, time.Time with its zone
//	types with methods                           what MarshalBinary, GobEncode or MarshalText makes of them
//	any                                          with its type: a basic one, or one that is part of an argument or result of some task
//	handles of shm, shmsync and queue            open the same object in the worker; of anonymous segments, too, while the sender has them open
//
// What arrives is equal to what was sent. [Define] panics when the type says that it would not be:
// for a field that is not exported or has the tag json:"-", an embedded field that another one
// hides, error and other interfaces with methods, func, chan, pointers as keys of maps. What a type
// cannot tell, as a value that contains itself, is an error of the call. A pointer arrives as one
// to a copy.
//
// What is small lies in the task's own slot, and costs no allocation; the rest in memory of the
// pool, of at most Options.Memory. Of data that is large or used by many tasks pass a handle of an
// Array, or of a queue, instead.
//
// # Memory
//
// Memory is backpressure. When Options.Memory is full, a caller waits for room for its argument,
// under its context, and a worker waits for room for its result. Only what can never fit is an
// error: an argument or a result that is larger than Options.Memory.
//
//	waits for room                 room comes from
//	a caller, for an argument      results that are taken: the argument and the result of a task are freed then
//	a worker, for a result         the same; workers come before callers
//
// Results of a loop over IMap stay in shared memory until the loop comes to them: so a slow body
// slows the workers down. When another call waits meanwhile, for room or for a worker, such results
// make room for it: they move to the parent's own memory, and so do arguments of tasks that have
// not begun. At most half of Options.Memory is for arguments of tasks that have not begun, unless
// it is a single one; the rest is kept for results. So a task may submit to its own pool, and the
// body of a loop over IMap may call Apply, however full the memory is; a worker must be free for
// them.
//
// # Errors across processes
//
// An error that a task returns arrives as a [*TaskError]: its text, its stack, and which of the
// errors known to [RegisterError] it wraps, so that errors.Is finds io.EOF or your own ErrNotFound
// on this side. A panic arrives as a [*PanicError] with the stack of the worker. Types and fields
// stay behind.
//
// # Deaths
// Arguments and results are in shared memory, in a table of slots. Each slot has the worker that
// runs its task. Other tasks are never harmed, and no result is delivered twice:
//
//	what happens                            the task                                        the worker, the pool
//	the task returns an error               *TaskError                                      goes on
//	it panics, or calls runtime.Goexit      *PanicError                                     goes on
//	the worker dies idle                    -                                               replaced
//	… before it has begun the task          another worker runs it                          replaced
//	… while it runs the task                runs again, Attempts times; *WorkerDiedError    replaced
//	… while it runs a chunk                 all of the chunk run again, one by one          replaced
//	… when the result is complete           the result is delivered                         replaced
//	… because of Options.MemoryLimit        as while it runs                                replaced
//	… gets a SIGTERM that is not the pool's finishes                                        replaced
//	… before it takes tasks, by SIGTERM     -                                               replaced
//	… so, by another signal                 -                                               replaced, MaxFailedStarts times in a row
//	… before it takes tasks, of itself      -                                               New fails; later as by a signal
//	it cannot be started for want of        -                                               the others go on; it is tried again
//	descriptors, processes or memory
//
// A worker dies of a signal, a fault, os.Exit, a panic in a goroutine other than the task's, and
// when it has no memory left. The last lines that it wrote to its standard error are in the
// *WorkerDiedError.
//
// # The end
//
//	                        tasks that wait   tasks that run                  callers get         the workers
//	Close                   are run           finish                          results             end, with 5 s to close resources
//	Finish                  are dropped       finish                          results, ErrClosed  end, with 5 s to close resources
//	Terminate(grace)        are dropped       their contexts end              ErrClosed           are killed after the grace
//	the context of New      are dropped       their contexts end              its cause           are killed after Options.Grace
//	the parent's death      are gone          their contexts end              -                   are gone within a second, with their children
//
// The parent's death includes that it returns from main without Close, and that another program
// takes its place in its process (syscall.Exec). A worker leads a session and a process group of
// its own, so that Ctrl-C reaches the parent alone, no terminal stops the worker, and a program
// that opens /dev/tty gets an error. What a task has started by os/exec is in that group, and is
// killed with the worker, also when its parent is killed at the same time.
//
// # Age, idleness, size
//
// Options.MaxTasksPerWorker and RecycleMemory have a worker replaced by a fresh one, after the task
// at which it is too old or too large. With Options.IdleTimeout it ends when there is nothing to
// do, and is started again when there is. With Options.MinWorkers the rest start when tasks wait.
// [Pool.Resize] changes how many there are, [Pool.Restart] replaces all of them one after another.
// [Pool.Stats] tells of each worker's tasks, processor time, memory and restarts, of the queue, and
// how long tasks take.
//
// # Without processes
//
// [NewLocal] makes a pool of goroutines: the same calls, results and errors, with arguments copied
// likewise, for tests and debuggers. But nothing can be killed there: a task past its hard deadline
// is left alone, os.Exit ends the program, and there are no limits of memory.
//
// # Logging
//
// With Options.Log workers have a ready logger, as [Logger] and as slog.Default: what they log
// comes to that handler in the parent, with their name.
//
// Package shmlog has the handler by which any number of processes, of pools or not, log to one
// place.
//
// [LogToStderr], or SHMKIT_LOG=INFO in the environment, shows what pools and processes do
// themselves. What workers write to their standard error comes out of the parent's, line by line,
// with their name and process id before it; Options.Stderr sends it elsewhere.
//
// # Caveats
//
//   - What a task did outside its result before its worker died (files, counters), it may do again
//     in the next attempt.
//   - Callbacks of futures, and OnWorkerExit, must not close the pool or wait for it: it waits for
//     them.
//   - A worker inherits the environment, directory, arguments and standard output of the parent,
//     but no goroutine, and no open file but those of Options.Files; its standard input is empty.
//     Whatever the program does before Main, each worker does, too.
//   - A task must not replace its program by another one (syscall.Exec): the kernel kills its
//     process group for it.
//   - A task runs alone in its worker; a goroutine that it leaves behind goes on beside the next
//     ones.
//   - A pool has at most 480 workers. Workers can have pools and processes of their own, [MaxDepth]
//     = 8 levels deep.
//   - A program that runs with more rights than its caller (set-user-ID, file capabilities) takes
//     no orders from its environment, and so has neither workers nor processes: [New] and
//     process.Start return an error.
//   - Linux only: elsewhere [New], [NewLocal] and process.Start return an error.
package pool
