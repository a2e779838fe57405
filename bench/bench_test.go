//go:build linux

package bench

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

func TestMain(m *testing.M) {
	pool.Main() // in a worker, which runs this binary, too
	proctest.Main(m)
}

// TestRows runs every row of every benchmark once, with few operations: the programs build, run,
// and do what they say.
func TestRows(t *testing.T) {
	ps := newPeers(t)
	for _, c := range []struct {
		benchmark string
		procs     int
		rows      []row
		together  bool
	}{
		{"LockUncontended", 1, lockRows(ps, "empty"), false},
		{"LockContended", 2, lockRows(ps, "increment"), false},
		{"ValueIncrement", 1, valueRows(ps), false},
		{"CounterAdd/procs=1", 1, counterRows(ps), false},
		{"CounterAdd/procs=2", 2, counterRows(ps), false},
		{"RWMutex/op=rlock/procs=1", 1, rwmutexRows(ps, "rlock"), false},
		{"RWMutex/op=rlock/procs=2", 2, rwmutexRows(ps, "rlock"), false},
		{"RWMutex/op=wlock/procs=1", 1, rwmutexRows(ps, "wlock"), false},
		{"RWMutex/op=wlock/procs=2", 2, rwmutexRows(ps, "wlock"), false},
		{"Semaphore", 1, semaphoreRows(ps), false},
		{"EventRoundTrip", 2, tripRows(ps, "event"), true},
		{"CondRoundTrip", 2, tripRows(ps, "cond"), true},
		{"Barrier/procs=2", 2, tripRows(ps, "barrier"), true},
	} {
		for _, r := range c.rows {
			t.Run(c.benchmark+"/impl="+r.impl, func(t *testing.T) {
				p := plan{rounds: 3, ops: 500, cpus: cores(t, c.procs), together: c.together}
				for i, round := range r.race(t, p).rounds(p) {
					if round.ns <= 0 || round.share < 0 && round.share != unknown || round.share > float64(p.procs()) {
						t.Errorf("round %d: impossible figures %+v", i, round)
					}
				}
			})
		}
	}
}

// TestRecoverRows runs every row of BenchmarkRecoverAfterKill with a few kills.
func TestRecoverRows(t *testing.T) {
	for _, r := range recoverRows(newPeers(t)) {
		t.Run("impl="+r.impl, func(t *testing.T) {
			ns := r.kill(t, 3)
			if len(ns) != 3 || slices.Min(ns) <= 0 {
				t.Errorf("nanoseconds of 3 kills: %v", ns)
			}
		})
	}
}

func TestRounds(t *testing.T) {
	p := plan{rounds: 2, ops: 100, cpus: []int{0, 1}}
	o := outcome{laps: []lap{
		{round: 0, start: 1000, end: 3000, seen: 200, delay: 200},
		// This process is done first: it has done 100 operations, and the other one 50.
		{round: 0, start: 1100, end: 2000, seen: 150},
		{round: 1, start: 5000, end: 6000, seen: 300, delay: 300},
		{round: 1, start: 6000, end: 7000, seen: 400},
	}}
	if err := o.complete(p); err != nil {
		t.Fatal(err)
	}
	got := o.rounds(p)
	want := []round{
		{number: 0, ns: 10, share: 50. / 75, delay: 0.1},
		{number: 1, ns: 10, share: 0, delay: 0.15},
	}
	if !slices.Equal(got, want) {
		t.Errorf("rounds: %+v, want %+v", got, want)
	}
	if err := (outcome{laps: o.laps[:3]}).complete(p); err == nil {
		t.Error("a missing lap was not found")
	}
}

// TestTrips reads the output of a peer for single trips.
func TestTrips(t *testing.T) {
	p := newTripPlan(1, 2, []int{0, 1})
	if p.ops != 2 || p.perRound() != 2 || p.procs() != 2 {
		t.Errorf("plan of 2 trips in a round of 2 processes: %+v", p)
	}
	p.rounds = 2
	o := outcome{laps: []lap{{round: 0, end: 1}, {round: 0, end: 1}, {round: 1, end: 1}, {round: 1, end: 1}}}
	for i, text := range []string{"0 5", "1 7", "0 6", "1 99999999999"} {
		if err := o.complete(p); err == nil {
			t.Errorf("%d missing trips were not found", 4-i)
		}
		if err := o.addTrip(text, p); err != nil {
			t.Error(err)
		}
	}
	if err := o.complete(p); err != nil {
		t.Error(err)
	}
	if want := []uint32{7, math.MaxUint32}; !slices.Equal(o.trips[0], []uint32{5, 6}) || !slices.Equal(o.trips[1], want) {
		t.Errorf("trips: %v", o.trips)
	}
	for _, text := range []string{"2 5", "-1 5", "0", "0 x", ""} {
		if err := o.addTrip(text, p); err == nil {
			t.Errorf("%q was taken for a trip", text)
		}
	}
}

func TestQuietRounds(t *testing.T) {
	quiet, noisy, worse := round{delay: quietDelay}, round{delay: 0.2}, round{delay: 0.3}
	for _, c := range []struct{ rounds, want []round }{
		{[]round{noisy, quiet, worse, quiet, quiet, quiet, quiet, quiet}, []round{quiet, quiet, quiet, quiet, quiet, quiet}},
		{[]round{worse, quiet, noisy, worse, worse, worse}, []round{quiet, noisy, worse, worse, worse}},
		{[]round{worse, quiet}, []round{quiet, worse}},
	} {
		if got := quietRounds(c.rounds); !slices.Equal(got, c.want) {
			t.Errorf("of %v the quiet ones: %v, want %v", c.rounds, got, c.want)
		}
	}
}

func TestNewPlan(t *testing.T) {
	for _, n := range []int{1, 1000, 1e6, 1e9} {
		for _, cpus := range [][]int{{0}, {0, 1}} {
			p := newPlan(n, nativeRound, cpus)
			if p.rounds < minRounds || p.rounds > maxRounds {
				t.Errorf("plan of %d operations: %d rounds", n, p.rounds)
			}
			if total := p.total(); total < minRounds*nativeRound || n > minRounds*nativeRound && (total < int64(n)*9/10 || total > int64(n)) {
				t.Errorf("plan of %d operations on %d CPUs makes %d", n, len(cpus), total)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	xs := []float64{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.5, 3}, {0.99, 5}, {1, 5}} {
		if got := quantile(xs, c.q); got != c.want {
			t.Errorf("quantile %v: %v, want %v", c.q, got, c.want)
		}
	}
}

func TestSchedstat(t *testing.T) {
	cpu := cores(t, 1)[0]
	unpin, err := pin(cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer unpin()
	s := openSchedstat(cpu)
	defer s.close()
	if s.fd < 0 {
		t.Skip("missing: /proc/thread-self/schedstat")
	}
	copy(s.text[:], "x")
	before := s.delayed()
	fields := bytes.Fields(s.text[:])
	if len(fields) < 3 || string(fields[1]) != strconv.FormatInt(before, 10) {
		t.Errorf("%d is not the second figure of %q", before, s.text)
	}
	if n := testing.AllocsPerRun(100, func() { s.delayed() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
