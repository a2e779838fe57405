//go:build linux

package bench

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// job is timed work of the toolkit: the objects that a process opens, its operations on them, and
// the check of the result.
type job struct {
	// open finds or creates the objects in seg and returns the leg of a process over them.
	open func(seg *shm.Segment, l *lane) (leg, error)
	// check fails unless the objects hold what total operations leave there.
	check func(seg *shm.Segment, t *track, total int64) error
	// together says that all processes do each operation together.
	together bool
	// untimed says that single operations are not timed, although all processes do them together.
	untimed bool
}

// lane is where one process runs.
type lane struct {
	dir    string // for files of the measurement
	number int    // of the process, or noProcess
	track  *track
	trips  *trips // nil where operations do not take all processes
}

// noProcess is the number of the process that makes the objects and does not use them.
const noProcess = -1

// jobs by the name under which a child finds its own.
var jobs = map[string]job{}

var racer = proctest.Register("racer", runChild)

// raceJob does the job. Where the plan has one process, this process does it, so that -cpuprofile
// sees it. Otherwise children do it.
func raceJob(tb testing.TB, name string, p plan) outcome {
	tb.Helper()
	dir := proctest.Dir(tb)
	seg, err := shm.Create(segmentIn(dir), shm.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer seg.Close()
	number := 0
	if p.procs() > 1 {
		number = noProcess // its children have the numbers
	}
	l, unmap, err := openLane(dir, number, p)
	if err != nil {
		tb.Fatal(err)
	}
	defer unmap()
	run, err := jobs[name].open(seg, l)
	if err != nil {
		tb.Fatal(err)
	}
	var o outcome
	if p.procs() > 1 {
		o = raceChildren(tb, name, dir, p)
	} else if o, err = runLaps(p, p.cpus[0], nil, run); err != nil {
		tb.Fatal(err)
	}
	o.trips, o.lost = l.trips.rounds(p), l.track.lost.Load()
	if err := o.complete(p); err != nil {
		tb.Fatal(err)
	}
	if err := jobs[name].check(seg, l.track, p.total()); err != nil {
		tb.Fatal(err)
	}
	return o
}

func segmentIn(dir string) string { return filepath.Join(dir, "segment") }
func trackIn(dir string) string   { return filepath.Join(dir, "track") }

// openLane maps the memory that process number shares with the others besides the segment. unmap
// ends the mapping.
func openLane(dir string, number int, p plan) (l *lane, unmap func(), err error) {
	l = &lane{dir: dir, number: number}
	var unmapTrack, unmapTrips func()
	if l.track, unmapTrack, err = mapTrack(trackIn(dir)); err != nil {
		return nil, nil, err
	}
	if l.trips, unmapTrips, err = mapTrips(filepath.Join(dir, "trips"), p); err != nil {
		unmapTrack()
		return nil, nil, err
	}
	return l, func() { unmapTrips(); unmapTrack() }, nil
}

const allocsFormat = "allocs %d %d"

// raceChildren starts a child for every CPU of p and collects what they print.
func raceChildren(tb testing.TB, name, dir string, p plan) (o outcome) {
	tb.Helper()
	var children []*proctest.Child
	for i := range p.cpus {
		args := append([]string{name, dir, strconv.Itoa(i)}, p.args()...)
		children = append(children, proctest.Start(tb, racer, args...))
	}
	for _, child := range children {
		child.WaitOK()
	}
	for _, child := range children {
		for range p.rounds {
			line := child.Line()
			l, err := parseLap(line)
			if err != nil {
				tb.Fatalf("child said %q: %v", line, err)
			}
			o.laps = append(o.laps, l)
		}
		var mallocs, mallocedBytes uint64
		line := child.Line()
		if _, err := fmt.Sscanf(line, allocsFormat, &mallocs, &mallocedBytes); err != nil {
			tb.Fatalf("child said %q: %v", line, err)
		}
		o.mallocs += mallocs
		o.mallocedBytes += mallocedBytes
		calls, err := parseCalls(child.Line())
		if err != nil {
			tb.Fatal(err)
		}
		o.calls = o.calls.plus(calls)
	}
	return o
}

// runChild NAME DIR NUMBER ROUNDS OPS CPU... is a racing child.
func runChild(args []string) {
	o, err := runJob(args)
	if err != nil {
		panic(err)
	}
	for _, l := range o.laps {
		proctest.Say("%v", l)
	}
	proctest.Say(allocsFormat, o.mallocs, o.mallocedBytes)
	proctest.Say("%v", o.calls)
}

func runJob(args []string) (o outcome, err error) {
	name, dir := args[0], args[1]
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return o, err
	}
	p, err := parsePlan(args[3:])
	if err != nil {
		return o, err
	}
	p.together, p.untimed = jobs[name].together, jobs[name].untimed
	seg, err := shm.Open(segmentIn(dir))
	if err != nil {
		return o, err
	}
	defer seg.Close()
	l, unmap, err := openLane(dir, number, p)
	if err != nil {
		return o, err
	}
	defer unmap()
	run, err := jobs[name].open(seg, l)
	if err != nil {
		return o, err
	}
	return runLaps(p, p.cpus[number], &startLine{track: l.track}, run)
}
