package model

import (
	"slices"
	"testing"
)

const broadcast = "broadcast.pml"

// Each reader gets the messages that were committed since it subscribed, one by one and whole. No
// writer waits for a reader that is dead, or has left, and no reader for a writer that is dead.
var soundBroadcast = []check{
	{model: broadcast, flags: "SIZE=1 MSGS=2 READERS=1 DEATHS=1", size: trust},
	{model: broadcast, flags: "MSGS=3 READERS=1 DEATHS=1"},
	{model: broadcast, flags: "MSGS=3 READERS=1 DEATHS=1 STRICT"},
	{model: broadcast, flags: "MSGS=3 READERS=1 JOINS=2"},
	{model: broadcast, flags: "MSGS=3 READERS=1 OLDEST JOINS=2"},
	{model: broadcast, flags: "MSGS=4 READERS=1 EXPELS=1"},
	{model: broadcast, flags: "SIZE=1 MSGS=1 READERS=2 STRICT"},
	{model: broadcast, flags: "SIZE=1 MSGS=3 READERS=1 WRITERS=2 CELLS=1 JOINS=2 CANCELS=1"},
}

// Each of these mistakes is found.
var brokenBroadcast = []check{
	// Messages that are lost, or torn.
	{model: broadcast, flags: "BROKEN_TAIL_FIRST MSGS=3 READERS=1", want: violated},
	{model: broadcast, flags: "BROKEN_NO_SECOND_TAIL MSGS=4 READERS=1", want: violated, size: trust},
	{model: broadcast, flags: "BROKEN_LIVE_NO_FENCE MSGS=4 READERS=1", want: violated},
	{model: broadcast, flags: "BROKEN_LIMIT_LATE MSGS=4 READERS=1 OLDEST JOINS=2", want: violated},
	{model: broadcast, flags: "BROKEN_OLDEST_MOVES_BACK MSGS=4 READERS=1 OLDEST JOINS=2", want: violated},
	{model: broadcast, flags: "BROKEN_RAISED_IN_VAIN SIZE=1 MSGS=3 READERS=1 WRITERS=2 CELLS=1 JOINS=2 CANCELS=1", want: violated, size: trust},
	{model: broadcast, flags: "BROKEN_FLOOR_STALE MSGS=3 READERS=2 OLDEST", want: violated},
	{model: broadcast, flags: "BROKEN_NO_CHECK_AFTER_COPY MSGS=4 READERS=1 EXPELS=1", want: violated},
	{model: broadcast, flags: "BROKEN_FREE_BY_PHASE SIZE=1 MSGS=2 READERS=2 CELLS=1 DEATHS=1", want: violated},
	{model: broadcast, flags: "BROKEN_LIMIT_TRUSTED SIZE=1 MSGS=2 READERS=1 WRITERS=2 CELLS=1 DEATHS=1", want: violated, size: normal},

	// Processes that sleep for ever.
	{model: broadcast, flags: "BROKEN_NO_DEATH_WATCH MSGS=4 READERS=1 DEATHS=1", want: stuck},
	{model: broadcast, flags: "BROKEN_WRITER_NOT_WATCHED MSGS=3 READERS=1 DEATHS=1", want: stuck},
	{model: broadcast, flags: "BROKEN_TAKES_ROLE_SILENTLY MSGS=3 READERS=1 DEATHS=1", want: stuck},
	{model: broadcast, flags: "BROKEN_LEAVES_SILENTLY SIZE=1 MSGS=4 READERS=1 JOINS=2", want: stuck},
	{model: broadcast, flags: "BROKEN_MOVED_NO_FENCE SIZE=1 MSGS=2 READERS=2 STRICT", want: stuck, size: normal},
	{model: broadcast, flags: "BROKEN_AWAITED_ONE_LOOK SIZE=1 MSGS=2 READERS=2", want: stuck, size: normal},
}

func TestBroadcast(t *testing.T) {
	for _, c := range slices.Concat(soundBroadcast, brokenBroadcast) {
		t.Run(c.name(), c.run)
	}
}

func TestBroadcastFlags(t *testing.T) {
	checkFlags(t, broadcast, slices.Concat(soundBroadcast, brokenBroadcast))
}
