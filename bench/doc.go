// Package bench measures the toolkit beside its peers: the same work done by hand in C with glibc,
// by Python's multiprocessing, by Boost, and by the sockets and pipes of the operating system.
//
//	go test -bench . ./bench                      # everything, some six minutes
//	go test -bench Lock ./bench                   # the mutexes only
//	go test -bench 'RoundTrip|Barrier' ./bench    # how processes wait for each other
//	go test -bench '/kind=' ./bench               # the queues only
//	go test -bench 'Stream/kind=spsc' ./bench     # one of them, as a stream
//	go test -bench Versus ./bench                 # two implementations by turns, where a ratio counts
//	go test -bench 'Apply|Map|Yield|Pool|Worker|Process' ./bench  # pools and processes
//	go test -bench . -benchtime 1x ./bench        # everything once, in a minute
//
// A row is named by what differs, as key=value: op is what is done where there is a choice, procs
// is how many processes do it at once, impl is what does the work (shmkit; glibc and glibc-robust
// for the two kinds of glibc mutex, which are shared between processes as all of glibc's here;
// glibc-pshared for its other objects; posix for sem_wait and sem_post; c for other code in C;
// python). An impl that begins with shmkit- is the toolkit in another case: shmkit-parked where
// waits do not spin, shmkit-undo where the units of the dead come back, shmkit-young where the
// process that dies had just begun. So benchstat puts the implementations beside each other:
//
//	go test -bench . -count 6 ./bench >rows
//	benchstat -col /impl rows
//
// # Queues
//
// The rows of BenchmarkRoundTrip and BenchmarkStream are named kind=…/payload=…/wait=…/impl=… and
// kind=…/topology=…/batch=…/impl=…
//
//   - kind is the queue of the toolkit. Its peers are what others use for the same purpose.
//   - payload is the length of a message; a stream has messages of 64 bytes. Where a kind has
//     Reserve and Peek, messages of 64 KiB and 1 MiB are written and read where they lie, their
//     first and last word. A pipe, and the peers but c, copy them.
//   - wait is how an end waits for the other. The rows placement=free beside wait=park are those of
//     processes that the kernel may put on any CPU: mostly it puts both on the same one. With
//     wait=park an answer often comes before its receiver has gone to sleep, and the quicker both
//     are, the more often: c may not sleep at all. With wait=asleep each process is busy for 50 µs
//     before it sends, which the figures leave out: each message finds its receiver asleep.
//   - topology is how many processes put messages and how many get them: 2p1c has two producers and
//     one consumer. All producers have one core, all consumers another.
//   - batch is how many messages are put at once; in a pipe that is one write, 64 KiB for 1024
//     messages.
//   - impl, besides those above: boost-lockfree (spsc_queue and queue, of fixed size, in shared
//     memory; they only spin), boost-mq (message_queue of Boost.Interprocess), python-queue and
//     python-pipe (Queue and Pipe of multiprocessing), unix-socket and os-pipe (in Go). c is the
//     floor: in a round trip one slot for each way, with a number that the receiver waits for in a
//     loop with pauses, or on a futex, or with wait=adaptive one after the other; in a stream a
//     ring of processes that never sleep. With bytes those of one side have a spin lock, if there
//     are two. It survives no death and checks nothing.
//
// The writer of a Broadcast with DropOldest, which is kind=broadcast, waits for no reader, so
// readers may lose messages: ns/op is the time
// until all readers have seen the last one, and lost-% is what they lost. A reader that keeps up
// takes cache lines from the writer, so that a reader that loses more may well take less time: look
// at both.
//
// BenchmarkReadOnly has the reads of a process that may only read, impl=ro, beside those of one
// that may write, impl=rw.
//
// BenchmarkBroadcast has the streams of broadcasts that wait for their readers, and beside them
// those through other queues, to one consumer. All readers have one core, all writers another:
// readers=2 is two readers that share one. shmkit-many has writers that take turns. Messages of 1
// MiB are copied into their places, in a ring of 4 MiB, and all readers look at their first and
// last word there; copy is the same copy in one process, to no reader.
//
// These rows are measured for a fraction of a second each, whatever -benchtime says; 1x makes them
// shorter.
//
// # Pools
//
// A pool has two workers. Its impls are shmkit; local, which is the same pool with goroutines in
// place of processes; python-fork, python-spawn and python-forkserver, which are
// multiprocessing.Pool with each way of starting processes; python-executor, which is
// concurrent.futures.ProcessPoolExecutor with fork, and as_completed where results come in any
// order.
//
//   - All impls of a benchmark are measured together, by turns, a round of some ten milliseconds
//     each, so that other work of the machine hits them alike. No process is pinned. A row that
//     -bench leaves out is not measured.
//   - ns/op of a Map and of IMapUnordered is wall time divided by tasks. payload is the argument: a
//     number, or a []byte, of which the task looks at the ends. chunk=auto leaves the size of
//     chunks to the pool.
//   - BenchmarkYield has a task yield 10,000 values to the loop of its caller; an operation is one
//     value. spsc and pipe are tasks that send them by an SPSC, and by a pipe with a Write and a
//     Read for each.
//   - BenchmarkApply/hot does task after task. BenchmarkApply/cold has a pause of ten milliseconds
//     before each, so that workers sleep. payload is the argument where it is not an int64:
//     1000xint is a slice of 1,000.
//   - allocs/task and worker-allocs/task count the allocations of the parent and of all workers.
//   - memcpys-more is how many copies of the message a task costs more than a call of the same
//     function in this process.
//   - BenchmarkPoolStart ends with the first result, BenchmarkPoolWide when the pool has ended,
//     BenchmarkProcessStart when the end of the process is known. os-exec is the same program,
//     started without the toolkit.
//   - parent-cpu-% and workers-cpu-% are of one CPU.
//
// These rows are measured for a fraction of a second each, too, and idle pools for ten seconds.
//
// # Versus
//
// Rows are measured one after another, and the machine changes meanwhile. BenchmarkVersus takes
// turns between two implementations: ratio is the median of the ratios of neighbours, min-ratio and
// max-ratio are its ends, its-ns is what the peer takes.
//
//   - versus=itself-64B compares messages that are written and read in place with those of 64
//     bytes.
//   - wait=park and wait=asleep count how often both processes together called the kernel for one
//     operation: waits, wakes and membarriers, and its-waits and so on for the peer. glibc makes
//     its calls itself: its-sleeps are the voluntary context switches of its processes instead.
//   - With wait=park a peer in C may not sleep at all, since its answer comes before. ratio counts
//     only the turns in which C slept in most of its waits; asleep-turns is how many there were.
//     Where there was none, it counts all.
//   - placement=one has both processes on one CPU, placement=free leaves them to the kernel.
//     Otherwise each has a core of its own.
//   - rate=1k and rest=10ms have a pause before each operation, which does not count: the other
//     side sleeps by then. p50-ns, p99-ns, its-p50-ns and its-p99-ns are of single operations,
//     p50-ratio and p99-ratio the medians of the turns' ratios.
//   - broadcast/what=… compares the rows of BenchmarkBroadcast; what is their impl.
//   - lock/procs=2 compares a lock that two processes contend for with the robust mutex of glibc.
//   - apply/rest=10ms compares a task with a message there and back between two processes in C,
//     which sleep: two wake-ups. The caller's thread and the worker have the CPUs that the two
//     processes in C have. placement=free pins no side: the kernel then keeps the processes in C on
//     one CPU, where a wake-up interrupts no other, and spreads the threads of the Go runtime.
//
// # Reading a row
//
//   - ns/op is wall time divided by the operations of all processes together: the median of many
//     short rounds. A round trip, and a crossing of a barrier, is one operation of both processes.
//     In BenchmarkRecoverAfterKill ns/op is the same as p50-ms.
//   - min-ns is the best round.
//   - quiet-% is how many rounds were quiet: no process waited for a CPU for more than a tenth of
//     the round, which happens when the machine has other work. The other figures are those of the
//     quiet rounds, but at least of the five quietest: a process without a CPU leaves the other one
//     alone with the lock, and that is not what the row is about.
//   - min-share, where processes contend, is how far the slower process had come, compared with an
//     even share, when the faster one was done. 1 is even, 0 is one after the other.
//   - p50-ns, p99-ns and p99.9-ns, where processes wait for each other, are of single operations,
//     as the process saw them that sets the first event, has the first turn, or just counts.
//   - allocs/op and B/op count the measured processes of the toolkit.
//   - p50-ms and p99-ms count from just before the SIGKILL of the holder until the waiter has the
//     lock. The holder has had it for 50 milliseconds; in the row shmkit-young it had just started:
//     the kernel takes some 13 milliseconds to let membarriers reach a new process, and until then
//     the process that takes over has to wait longer to be sure that no thread of the dead one
//     still runs.
//
// Compare rows of one run; figures of two machines, or of one machine at two times, say little.
// Each process is pinned to a core of its own in every implementation alike, unless a row or its
// section says otherwise. Each row checks its result: a counter that does not hold the number of
// operations done fails it, as does a lock that lets in too many, or a process that crosses a
// barrier before the other one has come, and a message that is lost, comes twice or at the wrong
// time, or does not begin and end as it was sent.
//
// Virtual CPUs may be two threads of one core at one time, and far apart at another: a message goes
// there and back five times as fast then. Compare what was measured at the same time.
//
// Peers do what their users do: glibc's condition variables and barriers sleep in the kernel as
// soon as they must wait, which costs a wake-up on another core each way, and the toolkit spins for
// a moment before.
//
// # Requirements
//
// Linux. A C compiler ($CC, or cc) builds the programs in bench/peers, a C++ compiler ($CXX, or
// g++) those that use Boost (Debian: libboost-dev), and python3 runs the Python ones. A row whose
// compiler, headers or interpreter are missing is skipped and says what is missing. Two processes
// need two cores.
package bench
