// Package bench measures the toolkit beside its peers: the same work done by hand in C with glibc, and by
// Python's multiprocessing.
//
//	go test -bench . ./bench                      # everything, less than three minutes
//	go test -bench Lock ./bench                   # the mutexes only
//	go test -bench 'RoundTrip|Barrier' ./bench    # how processes wait for each other
//	go test -bench . -benchtime 1x ./bench        # everything once, in seconds
//
// A row is named by what differs, as key=value: op is what is done where there is a choice, procs is how many
// processes do it at once, impl is who does the work (shmkit; glibc and glibc-robust for the two kinds of glibc
// mutex, which are shared between processes as all of glibc's here; glibc-pshared for its other objects; posix
// for sem_wait and sem_post; c for other code in C; python). An impl that begins with shmkit- is the toolkit in
// another case: shmkit-parked where waits do not spin, shmkit-undo where the units of the dead come back, shmkit-young where
// who dies had just begun. So benchstat puts the implementations beside each other:
//
//	go test -bench . -count 6 ./bench >rows
//	benchstat -col /impl rows
//
// # Reading a row
//
//   - ns/op is wall time divided by the operations of all processes together: the median of many short
//     rounds. A round trip, and a crossing of a barrier, is one operation of both processes. In
//     BenchmarkRecoverAfterKill ns/op is the same as p50-ms.
//   - min-ns is the best round.
//   - quiet-% is how many rounds were quiet: no process waited for a CPU for more than a tenth of the round,
//     which happens when the machine has other work. The other figures are those of the quiet rounds, but at
//     least of the five quietest: a process without a CPU leaves the other one alone with the lock, and that is
//     not what the row is about.
//   - min-share, where processes contend, is how far the slower process had come, compared with an even
//     share, when the faster one was done. 1 is even, 0 is one after the other.
//   - p50-ns and p99-ns, where processes wait for each other, are of single operations, as the process saw them
//     that sets the first event, has the first turn, or just counts.
//   - allocs/op and B/op count the measured processes of the toolkit.
//   - p50-ms and p99-ms count from just before the SIGKILL of the holder until the waiter has the lock. The holder has
//     had it for 50 milliseconds; in the row shmkit-young it had just started: the kernel takes some 13
//     milliseconds to let membarriers reach a new process, and until then whoever takes over has to wait longer to be sure
//     that no thread of the dead one still runs.
//
// Compare rows of one run; figures of two machines, or of one machine at two times, say little. Each
// process is pinned to a core of its own in every implementation alike. Each row checks its result: a
// counter that does not hold the number of operations done fails it, as does a lock that lets in too many, or a
// process that crosses a barrier before the other one has come.
//
// Peers do what their users do: glibc's condition variables and barriers sleep in the kernel as soon as they must
// wait, which costs a wake-up on another core each way, and the toolkit spins for a moment before.
//
// # Requirements
//
// Linux. A C compiler ($CC, or cc) builds the programs in bench/peers, and python3 runs the Python one. A row
// whose compiler or interpreter is missing is skipped and says what is missing. Two processes need two cores.
package bench
