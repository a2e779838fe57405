//go:build linux

package bench

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// lap is the work of one process in one round. Peers and children of the test binary print laps.
type lap struct {
	round      int
	start, end int64 // nanoseconds of CLOCK_MONOTONIC, which all processes share
	seen       int64 // the shared value just after the end, or uncounted
	// Nanoseconds in which the process could have run, but another one had the CPU.
	delay int64
}

// uncounted is lap.seen where operations are not counted in one place.
const uncounted = -1

const lapFormat = "lap %d %d %d %d %d"

func (l lap) String() string {
	return fmt.Sprintf(lapFormat, l.round, l.start, l.end, l.seen, l.delay)
}

func parseLap(line string) (l lap, err error) {
	_, err = fmt.Sscanf(line, lapFormat, &l.round, &l.start, &l.end, &l.seen, &l.delay)
	return l, err
}

// outcome is a finished measurement.
type outcome struct {
	laps []lap
	// Nanoseconds of each operation, by round, where all processes do each operation together.
	trips         [][]uint32
	lost          int64 // messages that readers of a Broadcast have lost, all together
	calls         kernelCalls
	mallocs       uint64 // of the measured processes, 0 for peers
	mallocedBytes uint64
}

// complete fails unless o holds one lap of every process in every round of p.
func (o outcome) complete(p plan) error {
	laps := make([]int64, p.rounds)
	for _, l := range o.laps {
		if l.round < 0 || l.round >= p.rounds || l.end <= l.start {
			return fmt.Errorf("impossible lap: %v", l)
		}
		laps[l.round]++
	}
	for round, n := range laps {
		if n != p.procs() {
			return fmt.Errorf("%d laps in round %d, want %d", n, round, p.procs())
		}
	}
	if !p.together || p.untimed {
		return nil
	}
	if len(o.trips) != p.rounds {
		return fmt.Errorf("trips of %d rounds, want %d", len(o.trips), p.rounds)
	}
	for round, trips := range o.trips {
		if int64(len(trips)) != p.ops || slices.Min(trips) == 0 {
			return fmt.Errorf("%d trips in round %d, want %d that take time", len(trips), round, p.ops)
		}
	}
	return nil
}

// leg does n operations and returns the shared value it sees at the end, or uncounted.
type leg func(n int64) (seen int64, err error)

// runLaps runs the laps of one process, pinned to cpu. All processes of p meet at line before each
// round.
func runLaps(p plan, cpu int, line *startLine, run leg) (outcome, error) {
	unpin, err := pin(cpu)
	if err != nil {
		return outcome{}, err
	}
	defer unpin()
	stat := openSchedstat(cpu)
	defer stat.close()
	var before, after runtime.MemStats
	laps := make([]lap, p.rounds)
	runtime.GC()
	runtime.ReadMemStats(&before)
	callsBefore := countCalls()
	for round := range laps {
		delay := stat.delayed()
		if err := line.meet(p.procs()); err != nil {
			return outcome{}, err
		}
		start := now()
		seen, err := run(p.ops)
		end := now()
		if err != nil {
			return outcome{}, fmt.Errorf("round %d: %w", round, err)
		}
		laps[round] = lap{round, start, end, seen, stat.delayed() - delay}
	}
	calls := countCalls().minus(callsBefore)
	runtime.ReadMemStats(&after)
	return outcome{
		laps:          laps,
		calls:         calls,
		mallocs:       after.Mallocs - before.Mallocs,
		mallocedBytes: after.TotalAlloc - before.TotalAlloc,
	}, nil
}

// now returns CLOCK_MONOTONIC in nanoseconds, which is the same clock in every process.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("bench: no monotonic clock: " + err.Error())
	}
	return t.Nano()
}
