// Package bench measures the toolkit beside its peers: the same work done by hand in C with glibc, and by
// Python's multiprocessing.
//
//	go test -bench . ./bench                      # everything, less than a minute
//	go test -bench Lock ./bench                   # the locks only
//	go test -bench . -benchtime 1x ./bench        # everything once, in seconds
//
// A row is named by what differs, as key=value: impl is who does the work (shmkit, glibc and glibc-robust
// for the two kinds of glibc mutex, c for other code in C, python), procs is how many processes do it at
// once. So benchstat puts the implementations beside each other:
//
//	go test -bench . -count 6 ./bench >rows
//	benchstat -col /impl rows
//
// # Reading a row
//
//   - ns/op is wall time divided by the operations of all processes together: the median of many short
//     rounds. In BenchmarkRecoverAfterKill it is the same as p50-ms.
//   - min-ns is the best round.
//   - quiet-% is how many rounds were quiet: no process waited for a CPU for more than a tenth of the round,
//     which happens when the machine has other work. The other figures are those of the quiet rounds, but at
//     least of the five quietest: a process without a CPU leaves the other one alone with the lock, and that is
//     not what the row is about.
//   - min-share, where processes contend, is how far the slower process had come, compared with an even
//     share, when the faster one was done. 1 is even, 0 is one after the other.
//   - allocs/op and B/op count the measured processes of the toolkit.
//   - p50-ms and p99-ms count from just before the SIGKILL of the holder until the waiter has the lock.
//
// Compare rows of one run; figures of two machines, or of one machine at two times, say little. Each
// process is pinned to a core of its own in every implementation alike. Each row checks its result: a
// counter that does not hold the number of operations done fails it.
//
// # Requirements
//
// Linux. A C compiler ($CC, or cc) builds the programs in bench/peers, and python3 runs the Python one. A row
// whose compiler or interpreter is missing is skipped and says what is missing. Two processes need two cores.
package bench
