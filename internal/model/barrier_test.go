package model

import (
	"slices"
	"testing"
)

const barrier = "barrier.pml"

// No waiter is told that all have arrived when they have not, and none waits for ever for a dead
// party.
var soundBarrier = []check{
	{model: barrier, flags: "PROCS=2 ROUNDS=2 ACTION CANCELS=1 RESETS=1"},
	{model: barrier, flags: "PROCS=2 ROUNDS=2 RESETS=1 LOOKER"},
	{model: barrier, flags: "PROCS=2 DEATHS=1", size: trust},
	{model: barrier, flags: "PROCS=2 DEATHS=2 ACTION CANCELS=1"},
	{model: barrier, flags: "PROCS=2 ROUNDS=2 DEATHS=1 RESETS=1"},
	{model: barrier, flags: "PROCS=3"},
	{model: barrier, flags: "PROCS=3 DEATHS=1"},
	{model: barrier, flags: "PROCS=2 DEATHS=2 LOOKER BACKSTOP", size: normal},
	{model: barrier, flags: "PROCS=2 ROUNDS=2 DEATHS=1 RESETS=1 LOOKER BACKSTOP", size: full},
}

// Each of these mistakes is found.
var brokenBarrier = []check{
	{model: barrier, flags: "BROKEN_NO_HISTORY PROCS=2 ROUNDS=2 RESETS=1 LOOKER", want: violated},
	{model: barrier, flags: "BROKEN_TRIP_NO_RING PROCS=2", want: stuck, size: trust},
	{model: barrier, flags: "BROKEN_NO_SECOND_LOOK PROCS=2", want: stuck},
	{model: barrier, flags: "BROKEN_NOBODY_WATCHED PROCS=2 DEATHS=1", want: stuck},
	{model: barrier, flags: "BROKEN_RESET_ALWAYS_FORGETS PROCS=2 DEATHS=1 LOOKER", want: stuck},
	{model: barrier, flags: "BROKEN_RESET_STALE PROCS=2 ROUNDS=2 DEATHS=1 LOOKER", want: stuck},
	{model: barrier, flags: "BROKEN_RESET_NO_LOCK PROCS=2 ROUNDS=2 DEATHS=1 RESETS=1 LOOKER", want: stuck, size: normal},
	// This is what the backstop is for.
	{model: barrier, flags: "PROCS=2 DEATHS=1 LOOKER", want: stuck},
}

func TestBarrier(t *testing.T) {
	for _, c := range slices.Concat(soundBarrier, brokenBarrier) {
		t.Run(c.name(), c.run)
	}
}

func TestBarrierFlags(t *testing.T) {
	checkFlags(t, barrier, slices.Concat(soundBarrier, brokenBarrier))
}
