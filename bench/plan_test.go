//go:build linux

package bench

import (
	"fmt"
	"strconv"
)

// plan says how much work a measurement does: one process per CPU, ops operations of each in each
// round.
type plan struct {
	rounds   int
	ops      int64
	cpus     []int // of each process, anyCPU where it is free
	together bool  // all processes do each operation together, and it counts once
	untimed  bool  // single operations are not timed, although all processes do them together
}

const (
	minRounds = 30
	maxRounds = 1000 // below what the peers have room for
)

// newPlan returns a plan of about n operations, or more where n is too few to measure, in rounds of
// about perRound operations of all processes. A round is long beside the start line and short
// beside a slice of the kernel's scheduler.
func newPlan(n int, perRound int64, cpus []int) plan {
	rounds := min(max(int64(n)/perRound, minRounds), maxRounds)
	ops := max(int64(n)/rounds, perRound) / int64(len(cpus))
	return plan{rounds: int(rounds), ops: ops, cpus: cpus}
}

// newTripPlan returns a plan of about n operations, each of which all processes do together.
func newTripPlan(n int, perRound int64, cpus []int) plan {
	p := newPlan(n, perRound, cpus[:1])
	p.cpus, p.together = cpus, true
	return p
}

func (p plan) procs() int64 { return int64(len(p.cpus)) }

// perRound is the number of operations of all processes in one round.
func (p plan) perRound() int64 {
	if p.together {
		return p.ops
	}
	return p.ops * p.procs()
}

// total is the number of operations of all processes in all rounds.
func (p plan) total() int64 { return int64(p.rounds) * p.perRound() }

// args returns p as the arguments of a racing program: ROUNDS OPS CPU... The program knows whether
// its processes do each operation together.
func (p plan) args() []string {
	args := []string{fmt.Sprint(p.rounds), fmt.Sprint(p.ops)}
	for _, cpu := range p.cpus {
		args = append(args, fmt.Sprint(cpu))
	}
	return args
}

// parsePlan reads the arguments that args made.
func parsePlan(args []string) (p plan, err error) {
	if len(args) < 3 {
		return p, fmt.Errorf("want ROUNDS OPS CPU..., have %q", args)
	}
	if p.rounds, err = strconv.Atoi(args[0]); err != nil {
		return p, err
	}
	if p.ops, err = strconv.ParseInt(args[1], 10, 64); err != nil {
		return p, err
	}
	for _, arg := range args[2:] {
		cpu, err := strconv.Atoi(arg)
		if err != nil {
			return p, err
		}
		p.cpus = append(p.cpus, cpu)
	}
	return p, nil
}
