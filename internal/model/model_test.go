package model

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// With these the models have no error.
var sound = []check{
	// Without a death, no waiter needs the backstop.
	{model: mutex, flags: "PROCS=3", size: trust},
	{model: mutex, flags: "PROCS=3 CANCELS=1"},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 STARVE CANCELS=1"},
	{model: mutex, flags: "PROCS=3 CANCELS=1 WAKES=1"},
	{model: mutex, flags: "PROCS=2 STARVE SIBLING CANCELS=1"},
	{model: mutex, flags: "PROCS=3 STARVE"},
	{model: mutex, flags: "PROCS=3 STARVE CANCELS=1", size: full},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 STARVE SIBLING", size: full},

	// Nor with a single death, or with deaths of owners only.
	{model: mutex, flags: "PROCS=2 DEATHS=1 BYSTANDER"},
	{model: mutex, flags: "PROCS=3 DEATHS=1", size: normal},
	{model: mutex, flags: "PROCS=2 DEATHS=1 SIBLING"},
	{model: mutex, flags: "PROCS=3 DEATHS=2 OWNERS_DIE"},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 DEATHS=1 REPORT"},
	{model: mutex, flags: "PROCS=3 DEATHS=1 REPORT", size: normal},

	// With it, nothing is ever stuck.
	{model: mutex, flags: "PROCS=2 DEATHS=1 BACKSTOP STARVE CANCELS=1"},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 DEATHS=2 BACKSTOP STARVE REPORT"},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 DEATHS=2 BACKSTOP STARVE CANCELS=1"},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 DEATHS=1 SPURIOUS STARVE DAWDLE"},
	{model: mutex, flags: "PROCS=3 DEATHS=1 BACKSTOP STARVE", size: full},

	// Threads that run on after the death of their process, and slots that are used again.
	{model: mutex, flags: "PROCS=2 DEATHS=1 BACKSTOP LATE STARVE CANCELS=1"},
	{model: mutex, flags: "PROCS=2 DEATHS=1 BACKSTOP LATE SIBLING"},
	{model: mutex, flags: "PROCS=2 DEATHS=1 BACKSTOP LATE REUSE"},
	{model: mutex, flags: "PROCS=2 DEATHS=1 BACKSTOP LATE SIBLING STARVE", size: full},

	// Closing.
	{model: mutex, flags: "PROCS=2 ROUNDS=2 CLOSE", size: trust},
	{model: mutex, flags: "PROCS=2 CLOSE SIBLING", size: normal},
	{model: mutex, flags: "PROCS=2 ROUNDS=2 CLOSE SIBLING", size: full},

	{model: mutex, flags: "PROCS=2 ROUNDS=2 STARVE CANCELS=1", ends: true},
	{model: mutex, flags: "PROCS=2 DEATHS=1 BACKSTOP STARVE CANCELS=1", ends: true},

	{model: proctab, flags: "PROCS=2 ROUNDS=2", size: trust},
	{model: proctab, flags: "PROCS=3", size: normal},

	// Without a death, no sleeper needs the backstop.
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 TRUST", size: trust},
	{model: sleep, flags: "SLEEPERS=2 ROUNDS=3 TRUST"},
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 ONCE"},
	{model: sleep, flags: "SLEEPERS=2 CANCELS=1"},
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 CANCELS=1"},
	{model: sleep, flags: "SLEEPERS=3 EVENT"},
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 ROUNDS=2"},
	{model: sleep, flags: "SLEEPERS=3 NOTIFIERS=2", size: normal},
	{model: sleep, flags: "SLEEPERS=3 NOTIFIERS=2 ONCE CANCELS=1", size: normal},
	{model: sleep, flags: "SLEEPERS=3 NOTIFIERS=2 EVENT CANCELS=1", size: normal},

	// Nor where every change is a locked instruction, or the kernel refuses membarriers.
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 SWAPPED", size: trust},
	{model: sleep, flags: "SLEEPERS=3 EVENT SWAPPED"},
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 NO_BARRIER"},

	// With it no process sleeps for ever, after any deaths.
	{model: sleep, flags: "SLEEPERS=2 DEATHS=2 BACKSTOP CANCELS=1"},
	{model: sleep, flags: "SLEEPERS=2 NOTIFIERS=2 DEATHS=1 BACKSTOP", size: normal},
	{model: sleep, flags: "SLEEPERS=3 ONCE DEATHS=2 BACKSTOP", size: normal},
	{model: sleep, flags: "SLEEPERS=3 EVENT DEATHS=2 BACKSTOP", size: normal},

	// A Select of two bells, beside a sleeper on one of them.
	{model: selects, flags: "SELECTS=1", size: trust},
	{model: selects, flags: "GETTER BUSY"},
	{model: selects, flags: "GETTER CLOSES"},
	{model: selects, flags: "GETTER CANCELS=1"},
	{model: selects, flags: "GETTER DEATHS=1 BACKSTOP", size: normal},

	// As many waiters return as were notified.
	{model: cond, flags: "WAITERS=2 SIGNALS=2"},
	{model: cond, flags: "WAITERS=2 NOTIFIERS=2 CANCELS=1"},
	{model: cond, flags: "WAITERS=3 DEATHS=1", size: trust},
	{model: cond, flags: "WAITERS=2 STORM DEATHS=1"},
	{model: cond, flags: "WAITERS=3 DEATHS=2", size: normal},
	{model: cond, flags: "WAITERS=3 SIGNALS=2 DEATHS=1", size: normal},
	{model: cond, flags: "WAITERS=3 DEATHS=2 CANCELS=1", size: normal},
	{model: cond, flags: "WAITERS=2 NOTIFIERS=2 DEATHS=1 CANCELS=1", size: normal},
	{model: cond, flags: "WAITERS=2 NEWCOMER DEATHS=1"},
	{model: cond, flags: "WAITERS=2 NEWCOMER SIGNALS=2 CANCELS=1"},
	{model: cond, flags: "WAITERS=2 NOTIFIERS=2 STORM DEATHS=2", size: normal},

	// The semaphore: without a death, or with a single one, no waiter needs the backstop.
	{model: semaphore, flags: "PROCS=2 ROUNDS=2 STARVE CANCELS=1", size: trust},
	{model: semaphore, flags: "PROCS=2 ROUNDS=2 DEATHS=1 STARVE CANCELS=1 DAWDLE"},
	{model: semaphore, flags: "PROCS=3 UNITS=2 DEATHS=1"},
	{model: semaphore, flags: "PROCS=3 UNITS=2 HEAVY DEATHS=1", size: normal},
	{model: semaphore, flags: "PROCS=3 STARVE"},
	{model: semaphore, flags: "PROCS=3 DEATHS=1", size: normal},
	{model: semaphore, flags: "PROCS=3 UNITS=2 HEAVY STARVE DEATHS=1", size: full},
	{model: semaphore, flags: "PROCS=3 PLAIN CANCELS=1 SPARE=0"},
	{model: semaphore, flags: "PROCS=3 PLAIN STARVE CANCELS=1"},
	{model: semaphore, flags: "PROCS=3 PLAIN STARVE DEATHS=1"},
	{model: semaphore, flags: "PROCS=3 UNITS=2 HEAVY PLAIN STARVE CANCELS=1 DEATHS=1 DAWDLE"},

	// With it no waiter is stuck for ever, after any number of deaths.
	{model: semaphore, flags: "PROCS=2 ROUNDS=2 DEATHS=2 BACKSTOP STARVE CANCELS=1"},
	{model: semaphore, flags: "PROCS=3 UNITS=2 DEATHS=2 BACKSTOP", size: normal},

	// The readers-writer lock: with any number of deaths no waiter needs the backstop.
	{model: rwmutex, flags: "WRITERS=1 READERS=1 ROUNDS=2 CANCELS=1"},
	{model: rwmutex, flags: "WRITERS=1 READERS=2"},
	{model: rwmutex, flags: "WRITERS=2 READERS=1 ROUNDS=2 TURNS"},
	{model: rwmutex, flags: "WRITERS=1 READERS=1 SIBLING ROUNDS=2"},
	{model: rwmutex, flags: "WRITERS=1 READERS=1 ROUNDS=2 DEATHS=2 REPAIR"},
	{model: rwmutex, flags: "WRITERS=2 READERS=1 DEATHS=1"},
	{model: rwmutex, flags: "WRITERS=1 READERS=2 DEATHS=1", size: trust},
	{model: rwmutex, flags: "WRITERS=2 READERS=1 DEATHS=1 CANCELS=1"},
	{model: rwmutex, flags: "WRITERS=2 READERS=1 DEATHS=2 REPORT"},
	{model: rwmutex, flags: "WRITERS=2 READERS=1 ROUNDS=2 DEATHS=1 REPORT REPAIR"},
	{model: rwmutex, flags: "WRITERS=1 READERS=1 SIBLING ROUNDS=2 DEATHS=1"},
	{model: rwmutex, flags: "WRITERS=2 READERS=1 SIBLING DEATHS=1", size: normal},
	{model: rwmutex, flags: "WRITERS=1 READERS=1 ROUNDS=2 CANCELS=1", ends: true},
	{model: rwmutex, flags: "WRITERS=1 READERS=1 SIBLING DEATHS=1", ends: true},
}

// Each of these mistakes is found.
var broken = []check{
	// Lost wake-ups.
	{model: mutex, flags: "BROKEN_UNLOCK_NO_WAKE PROCS=2", want: stuck},
	{model: mutex, flags: "BROKEN_UNLOCK_NO_LOOK PROCS=2", want: stuck},
	{model: mutex, flags: "BROKEN_ARM_NO_MEMBARRIER PROCS=2", want: stuck},
	{model: mutex, flags: "BROKEN_DISARM_STORE PROCS=3", want: stuck},
	{model: mutex, flags: "BROKEN_UNLOCK_NO_FENCE PROCS=2 ROUNDS=2", want: stuck, size: trust},
	{model: mutex, flags: "BROKEN_RELAX_STORE PROCS=3", want: stuck},
	{model: mutex, flags: "BROKEN_ARM_RELAXED PROCS=3", want: stuck},
	{model: mutex, flags: "BROKEN_SLEEP_NO_COMPARE PROCS=2", want: stuck},
	{model: mutex, flags: "BROKEN_SLEEP_NO_LIVENESS PROCS=2 DEATHS=1", want: stuck},
	{model: mutex, flags: "BROKEN_LEAVE_SWALLOWS_WAKE PROCS=3 CANCELS=1 WAKES=1", want: stuck},
	{model: mutex, flags: "BROKEN_SPREAD_FORGOTTEN PROCS=2 DEATHS=1 BYSTANDER", want: stuck},
	{model: mutex, flags: "BROKEN_OWN_LIVENESS PROCS=2 DEATHS=1 SIBLING", want: stuck},
	{model: mutex, flags: "BROKEN_EPOCH PROCS=2 DEATHS=1 BACKSTOP REUSE", want: stuck},
	{model: mutex, flags: "WAKES=1 PROCS=3 DEATHS=1", want: stuck}, // this is why Unlock wakes two

	{model: mutex, flags: "BROKEN_TAKEOVER_WAKES_NOBODY PROCS=4 DEATHS=2 OWNERS_DIE", want: stuck, size: full},

	// Two owners.
	{model: mutex, flags: "BROKEN_TAKEOVER_STORE PROCS=3 DEATHS=1 BACKSTOP", want: violated},
	{model: mutex, flags: "BROKEN_DEAD_NO_MEMBARRIER PROCS=2 DEATHS=1 BACKSTOP LATE", want: "(hold==0)", size: trust},
	{model: mutex, flags: "BROKEN_CLAIM_NO_MEMBARRIER PROCS=2 DEATHS=1 BACKSTOP LATE REUSE", want: "(hold==0)"},
	{model: mutex, flags: "BROKEN_UNLOCK_IGNORES_CLOSE PROCS=2 CLOSE", want: "(hold==0)"},
	{model: mutex, flags: "BROKEN_CLOSE_NOT_SETTLED PROCS=2 CLOSE", want: "(hold==0)"},
	{model: mutex, flags: "BROKEN_RELEASING_CLEARED_LATE PROCS=2 CLOSE SIBLING", want: "(hold==0)"},
	{model: mutex, flags: "BROKEN_CLOSED_NOT_SEEN PROCS=2 CLOSE", want: violated},

	// Deaths that are not reported, and reports without a death.
	{model: mutex, flags: "BROKEN_TAKEOVER_SILENT PROCS=2 DEATHS=1 BACKSTOP", want: "!(damaged)"},
	{model: mutex, flags: "BROKEN_SUSPECT_FORGOTTEN PROCS=2 DEATHS=1 BACKSTOP", want: "!(damaged)"},
	{model: mutex, flags: "BROKEN_HANDED_IS_SUSPECT PROCS=2 ROUNDS=2 DEATHS=1 BACKSTOP STARVE", want: "||lost"},

	// Handing over.
	{model: mutex, flags: "BROKEN_SIBLING_TAKES_HANDED PROCS=2 ROUNDS=2 STARVE SIBLING", want: violated},
	{model: mutex, flags: "BROKEN_HAND_CLEARS_G BROKEN_VOID_NOT_TAKEN PROCS=2 ROUNDS=2 STARVE CANCELS=1", want: stuck},
	{model: mutex, flags: "BROKEN_VOID_NOT_TAKEN PROCS=2 ROUNDS=2 DEATHS=1 BACKSTOP STARVE CANCELS=1", want: stuck},
	{model: mutex, flags: "BROKEN_LEAVE_KEEPS_G PROCS=2 ROUNDS=2 STARVE CANCELS=1", want: stuck},

	{model: mutex, flags: "BROKEN_DEAD_NOT_TAKEN PROCS=2 DEATHS=1 BACKSTOP", want: "non-progress cycle", ends: true},

	{model: sleep, flags: "BROKEN_NO_MEMBARRIER SLEEPERS=1", want: stuck},
	{model: sleep, flags: "BROKEN_NO_RECHECK SLEEPERS=1", want: stuck},
	{model: sleep, flags: "BROKEN_NO_LOOK SLEEPERS=1", want: stuck},
	{model: sleep, flags: "BROKEN_LOOK_FIRST SLEEPERS=1", want: stuck},
	{model: sleep, flags: "BROKEN_NO_COMPARE SLEEPERS=1", want: stuck},
	{model: sleep, flags: "BROKEN_DISARM_STORE SLEEPERS=1 NOTIFIERS=2", want: stuck},
	{model: sleep, flags: "BROKEN_FENCED_EARLY SLEEPERS=2 NOTIFIERS=2 ONCE", want: stuck, size: trust},
	{model: sleep, flags: "BROKEN_NO_FENCE SLEEPERS=1 ROUNDS=2", want: stuck, size: trust},
	{model: sleep, flags: "BROKEN_RING_NO_FENCE SLEEPERS=1 NOTIFIERS=2", want: stuck, size: trust},
	{model: sleep, flags: "BROKEN_RELAX_STORE SLEEPERS=1 ROUNDS=2", want: stuck},
	{model: sleep, flags: "BROKEN_RELAX_KEEPS_TURN SLEEPERS=2 NOTIFIERS=2 TRUST", want: "(plain["},
	{model: sleep, flags: "BROKEN_ARM_RELAXED SLEEPERS=1 ROUNDS=2", want: stuck},
	{model: sleep, flags: "BROKEN_LOOK_EARLY SLEEPERS=1", want: stuck, size: trust},
	{model: sleep, flags: "BROKEN_LOOK_EARLY SLEEPERS=1 SWAPPED", want: stuck},
	{model: sleep, flags: "BROKEN_LEAVE_SWALLOWS_WAKE SLEEPERS=2 CANCELS=1", want: stuck},
	{model: sleep, flags: "BROKEN_RING_ONE SLEEPERS=2 EVENT", want: stuck},
	// This is what the backstop is for.
	{model: sleep, flags: "SLEEPERS=1 DEATHS=1", want: stuck},

	// A Select.
	{model: selects, flags: "BROKEN_NO_PASS_ON GETTER BUSY", want: stuck, size: trust},
	{model: selects, flags: "BROKEN_NO_PASS_ON GETTER CANCELS=1", want: stuck},
	{model: selects, flags: "BROKEN_CLOSE_KEEPS_WAKE GETTER CLOSES", want: stuck},
	{model: selects, flags: "BROKEN_NO_RECHECK", want: stuck, size: trust},
	{model: selects, flags: "BROKEN_NO_MEMBARRIER", want: stuck, size: trust},
	{model: selects, flags: "BROKEN_BARRIER_FIRST", want: stuck, size: trust},
	{model: selects, flags: "BROKEN_ARM_ONE", want: stuck},
	{model: selects, flags: "GETTER DEATHS=1", want: stuck}, // this is what the backstop is for

	{model: cond, flags: "BROKEN_NO_RESCUE WAITERS=2 DEATHS=1", want: "assertion violated !(", size: trust},
	{model: cond, flags: "BROKEN_NO_CATCH_UP WAITERS=2 STORM DEATHS=1", want: "(began[p]==storms)"},
	{model: cond, flags: "BROKEN_NO_LOCK WAITERS=3 DEATHS=1", want: "(returns<=(notified+excess))"},
	{model: cond, flags: "BROKEN_TAKE_FIRST WAITERS=3 DEATHS=2", want: ">=notified)"},
	{model: cond, flags: "BROKEN_LEAVE_DROPS WAITERS=2 CANCELS=1", want: ">=notified)"},
	{model: cond, flags: "BROKEN_GRANT_ENDS_EARLY WAITERS=2 DEATHS=1", want: ">=notified)"},
	{model: cond, flags: "BROKEN_CLAIM_FORGETS WAITERS=2 NEWCOMER DEATHS=1", want: ">=notified)"},

	{model: proctab, flags: "BROKEN_NO_FILE_LOCK PROCS=2", want: "(occupant==p)"},
	{model: proctab, flags: "BROKEN_CLAIM_NO_PENDING PROCS=2", want: violated},
	{model: proctab, flags: "BROKEN_DETACH_NO_PENDING PROCS=2", want: violated},

	// Units that are counted twice, or not at all.
	{model: semaphore, flags: "BROKEN_OWNER_DIED_IGNORED PROCS=2 DEATHS=1", want: violated},
	{model: semaphore, flags: "BROKEN_RECOUNT_ADDS PROCS=2 DEATHS=2 BACKSTOP", want: violated, size: trust},

	// Sleepers that are not woken although there are units.
	{model: semaphore, flags: "BROKEN_RELEASE_NO_RING PROCS=2", want: stuck},
	{model: semaphore, flags: "BROKEN_CANCEL_SWALLOWS_WAKE PROCS=3 PLAIN CANCELS=1 SPARE=0", want: stuck},
	// This is why a release wakes one more.
	{model: semaphore, flags: "SPARE=0 PROCS=3 PLAIN DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_HOLDERS_NOT_WATCHED PROCS=2 DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_LOCK_NOT_WATCHED PROCS=2 DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_LOCK_WATCHED_FIRST PROCS=2 ROUNDS=2 DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_NO_LAST_LOOK PROCS=2 DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_TURN_OF_DEAD PROCS=3 UNITS=2 HEAVY PLAIN STARVE DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_TURN_NOT_WATCHED PROCS=3 UNITS=2 HEAVY PLAIN STARVE DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_TURN_ENDED_MEANWHILE PROCS=2 ROUNDS=2 STARVE CANCELS=1 DEATHS=1", want: stuck},
	{model: semaphore, flags: "BROKEN_TURN_ENDS_SILENTLY PROCS=3 UNITS=2 HEAVY PLAIN STARVE CANCELS=1", want: stuck},

	// Readers and writers.
	{model: rwmutex, flags: "BROKEN_COUNT_BEFORE_BAR ROUNDS=2", want: "(reading==0)"},
	{model: rwmutex, flags: "BROKEN_SEATS_OPEN_FIRST", want: "(writing==0)", size: trust},
	{model: rwmutex, flags: "BROKEN_NOT_OWNED DEATHS=1", want: "!(damaged)"},
	{model: rwmutex, flags: "BROKEN_READER_IGNORES_OWNED DEATHS=1", want: "!(damaged)"},
	{model: rwmutex, flags: "BROKEN_NO_TURNS WRITERS=2 TURNS", want: "(passed[i]<2)"},
	{model: rwmutex, flags: "BROKEN_LEFT_NO_RING", want: stuck},
	{model: rwmutex, flags: "BROKEN_OPEN_NO_RING", want: stuck},
	{model: rwmutex, flags: "BROKEN_LAST_LEFT_UNSEEN DEATHS=1", want: stuck},
	{model: rwmutex, flags: "BROKEN_NO_WATCH DEATHS=1", want: stuck},
	{model: rwmutex, flags: "BROKEN_LEADER_NOT_TOLD SIBLING ROUNDS=2", want: stuck},
	{model: rwmutex, flags: "BROKEN_DEAD_READERS_COUNT DEATHS=1", want: "non-progress cycle", ends: true},
}

const (
	rwmutex = "rwmutex.pml"

	semaphore = "semaphore.pml"

	mutex    = "mutex.pml"
	proctab  = "proctab.pml"
	sleep    = "sleep.pml"
	selects  = "select.pml"
	cond     = "cond.pml"
	stuck    = "invalid end state"
	violated = "assertion violated"
)

func TestSound(t *testing.T) {
	for _, c := range sound {
		t.Run(c.name(), c.run)
	}
}

func TestBroken(t *testing.T) {
	for _, c := range broken {
		t.Run(c.name(), c.run)
	}
}

func (c check) name() string {
	name := strings.TrimSuffix(c.model, ".pml")
	if c.ends {
		name += " ends"
	}
	return name + " " + c.flags
}

// A check proves nothing with a flag that the model does not have, and a mistake in a model proves
// nothing if no check makes it.
func TestFlags(t *testing.T) {
	known := map[string]bool{}
	condition := regexp.MustCompile(`(?m)^#(?:if|ifdef|ifndef|elif) .*`)
	for _, file := range []string{"mutex.pml", "world.pml", "unlock.pml", "proctab.pml", "sleep.pml", "select.pml", "cond.pml", "semaphore.pml", "rwmutex.pml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range condition.FindAllString(string(text), -1) {
			for _, word := range regexp.MustCompile(`[A-Z][A-Z_]+`).FindAllString(line, -1) {
				known[word] = true
			}
		}
	}
	used := map[string]bool{}
	for _, c := range slices.Concat(sound, broken) {
		for flag := range strings.FieldsSeq(c.flags) {
			flag, _, _ = strings.Cut(flag, "=")
			used[flag] = true
			if !known[flag] {
				t.Errorf("%s: the models do not know %s", c.name(), flag)
			}
		}
	}
	for flag := range known {
		if strings.HasPrefix(flag, "BROKEN_") && !used[flag] {
			t.Errorf("no check makes the mistake %s", flag)
		}
	}
}
