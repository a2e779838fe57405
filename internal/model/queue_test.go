package model

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	queue     = "queue.pml"
	ringSleep = "ring-sleep.pml"
)

// Messages arrive once, whole and in order. No slot is stuck. A consumer that is told of the end
// has missed no message. No process sleeps for ever.
var soundQueue = []check{
	{model: queue, flags: "CAP=2 PRODUCERS=2 CONSUMERS=1 DEATHS=1"},
	{model: queue, flags: "CAP=1 PRODUCERS=2 CONSUMERS=1 DEATHS=2", size: trust},
	{model: queue, flags: "CAP=2 PRODUCERS=1 CONSUMERS=1 CLOSE ROUNDS=2"},
	{model: queue, flags: "CAP=1 PRODUCERS=1 CONSUMERS=1 DROP ROUNDS=2 DEATHS=1"},
	{model: queue, flags: "CAP=1 PRODUCERS=2 CONSUMERS=1 DROP"},
	{model: queue, flags: "CAP=1 PRODUCERS=1 CONSUMERS=1 DEATHS=1", ends: true},
	{model: queue, flags: "CAP=1 PRODUCERS=2 CONSUMERS=1 CLOSE DEATHS=1", size: normal},
	{model: queue, flags: "CAP=1 PRODUCERS=1 CONSUMERS=2 DEATHS=1 ROUNDS=2", size: normal},

	{model: ringSleep, flags: "TOTAL=2"},
	{model: ringSleep, flags: "TOTAL=2 CLOSE"},
	{model: ringSleep, flags: "TOTAL=2 CLOSE DEATHS=1", size: trust}, // without the backstop
	{model: ringSleep, flags: "TOTAL=2 DEATHS=1 HEIR BACKSTOP"},
	{model: ringSleep, flags: "TOTAL=2 CLOSE DEATHS=1 HEIR BACKSTOP", size: normal},
}

// Each of these mistakes is found.
var brokenQueue = []check{
	{model: queue, flags: "BROKEN_DEAD_NO_MEMBARRIER CAP=1 PRODUCERS=2 CONSUMERS=1 DEATHS=1", want: violated, size: trust},
	{model: queue, flags: "BROKEN_LIVING_SKIPPED CAP=1 PRODUCERS=1 CONSUMERS=1", want: violated},
	{model: queue, flags: "BROKEN_HINT_STORE LAPS=1 CAP=1 PRODUCERS=2 CONSUMERS=1 ROUNDS=3", want: "((put>p)"},
	{model: queue, flags: "BROKEN_ABANDON_STORE CAP=1 PRODUCERS=2 CONSUMERS=1 DEATHS=1", want: violated},
	{model: queue, flags: "BROKEN_LOOK_ONCE CAP=2 PRODUCERS=1 CONSUMERS=1 CLOSE", want: "!(ended)"},
	{model: queue, flags: "BROKEN_CLOSED_NOT_ASKED_AGAIN CAP=1 PRODUCERS=1 CONSUMERS=1 CLOSE", want: "!(ended)"},
	{model: queue, flags: "BROKEN_WITHDRAW_EMPTIES CAP=2 PRODUCERS=2 CONSUMERS=1 CLOSE", want: "taken[k]"},
	{model: queue, flags: "BROKEN_FREE_BEFORE_COPY CAP=1 PRODUCERS=2 CONSUMERS=1", want: "(content[s]==m)"},
	{model: queue, flags: "BROKEN_SHOWN_BEFORE_WRITTEN CAP=1 PRODUCERS=1 CONSUMERS=1", want: "(content["},
	{model: queue, flags: "BROKEN_PASSED_FIRST CAP=2 PRODUCERS=2 CONSUMERS=1 DEATHS=1", want: violated},

	{model: ringSleep, flags: "BROKEN_SLEEP_NO_MEMBARRIER", want: stuck},
	{model: ringSleep, flags: "BROKEN_STRICT_NO_FENCE", want: stuck, size: trust},
	{model: ringSleep, flags: "BROKEN_NO_SECOND_LOOK", want: stuck},
	{model: ringSleep, flags: "BROKEN_FINISH_SILENT", want: stuck},
	{model: ringSleep, flags: "BROKEN_ABORT_SILENT CLOSE", want: stuck},
	{model: ringSleep, flags: "BROKEN_DEATH_NOT_WATCHED CLOSE DEATHS=1", want: stuck},
	{model: ringSleep, flags: "BROKEN_LOOKS_BEFORE_IT_SPEAKS CLOSE", want: "!(ended)"},
	{model: ringSleep, flags: "BROKEN_CLOSED_NO_MEMBARRIER CLOSE", want: "!(ended)"},
	{model: ringSleep, flags: "BROKEN_DEAD_NO_MEMBARRIER CLOSE DEATHS=1 BACKSTOP", want: "!(ended)"},
	// This is what the backstop is for.
	{model: ringSleep, flags: "DEATHS=1 HEIR", want: stuck},
}

func TestQueue(t *testing.T) {
	for _, c := range slices.Concat(soundQueue, brokenQueue) {
		t.Run(c.name(), c.run)
	}
}

// Each mistake in the models is made by a check.
func TestQueueFlags(t *testing.T) {
	all := ""
	for _, c := range slices.Concat(soundQueue, brokenQueue) {
		all += c.model + " " + c.flags + "\n"
	}
	mistake := regexp.MustCompile(`\bBROKEN_[A-Z_]+`)
	for _, model := range []string{queue, ringSleep} {
		text, err := os.ReadFile(model)
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range mistake.FindAllString(string(text), -1) {
			if !strings.Contains(all, model+" "+flag+" ") && !strings.Contains(all, model+" "+flag+"\n") {
				t.Errorf("no check of %s makes the mistake %s", model, flag)
			}
		}
	}
	for _, c := range brokenQueue {
		text, err := os.ReadFile(c.model)
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range mistake.FindAllString(c.flags, -1) {
			if !strings.Contains(string(text), flag+"\n") {
				t.Errorf("%s does not know %s", c.model, flag)
			}
		}
	}
}
