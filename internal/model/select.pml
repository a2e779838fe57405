/*
 * How a Select of internal/lock sleeps on two bells at once, beside a sleeper on one of them:
 * select.go, with bell.go and eventcount.go, without what the sources are. Sleepers wait for
 * units, notifiers bring them, one notifier for each bell.
 *
 * One atomic block is one access to shared memory together with the local decision that follows
 * from it. Between two blocks any other process may run. "Mirrors f" names the Go function whose
 * steps follow. The bells, the store buffers of the notifiers and the membarrier are those of
 * sleep.pml.
 *
 * The kernel queues a Select on one bell after the other, and compares each word under the lock
 * of its queue. A wake-up takes it out of the queue of that bell only. It stays in the other
 * queue until it runs: a second wake-up there is used up, too.
 *
 * Configuration, each by -D:
 *
 *	SELECTS    Selects of both bells, in processes of their own
 *	GETTER     a sleeper on bell 1, which takes one unit and leaves
 *	FOREVER    the GETTER goes on for as long as there are any to come
 *	ROUNDS     units that each notifier brings
 *	BUSY       a Select may never wait again after its caller has taken a unit
 *	CLOSES     a Select may be closed while its caller has not taken what was returned
 *	CANCELS    how many waits of a Select may be cancelled
 *	DEATHS     how many Selects may be killed
 *	BACKSTOP   a sleeper may look again by itself once a process has died
 *	BROKEN_*   one mistake each, which spin must find
 *
 * Property: when nothing can happen any more, no sleeper sleeps while there is a unit for it.
 * Otherwise the sleeper is in an invalid end state.
 */

#ifndef SELECTS
#define SELECTS 1
#endif
#ifdef GETTER
#define GETTERS 1
#else
#define GETTERS 0
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define SLEEPERS (SELECTS + GETTERS)
#define bit(i)   (1 << (i))

/* What is waited for: a unit in the place of each notifier, in memory, and on its way there. */
bool unit[2], buffered[2];

/*
 * The bells, as in sleep.pml: every turn is unique, so current says which process was the last to
 * move it.
 */
#define NONE      15
#define ringer(i) (8 + (i))
bool armed[2], strictly[2], fenced[2];
byte current[2] = NONE;
byte asked[2]; /* the sleepers that have asked for fences at the present turn */
#define moved(b, by) current[b] = by; asked[b] = 0

byte queue[2]; /* the kernel: the sleepers queued on each bell */

byte gone;      /* killed */
byte done;      /* notifiers that bring no more */
byte deaths, cancels;

inline drain(b) {
	if
	:: buffered[b] -> buffered[b] = false; unit[b] = true
	:: else
	fi
}

/* No unit of the bell is there, and none comes any more. */
#define over(b) (!unit[b] && !buffered[b] && (done & bit(b)))

inline wakeOne(b) {
	if
	:: queue[b] & bit(0) -> queue[b] = queue[b] & ~bit(0)
#if SLEEPERS > 1
	:: queue[b] & bit(1) -> queue[b] = queue[b] & ~bit(1)
#endif
#if SLEEPERS > 2
	:: queue[b] & bit(2) -> queue[b] = queue[b] & ~bit(2)
#endif
	fi
}

/* A locked instruction of a notifier; sleepers have no stores on their way. */
inline flush(b) {
	if
	:: self >= SLEEPERS -> drain(b)
	:: else
	fi
}

/*
 * Mirrors EventCount.Notify of bell b, after a change: bell.look, pass and ringFrom. Goes on at
 * rung.
 */
#define notifySteps(b, again, rung) \
		atomic { \
			if \
			:: armed[b] -> goto again \
			:: !armed[b] && !strictly[b] -> goto rung \
			:: !armed[b] && strictly[b] \
			fi \
		} \
		atomic { \
			flush(b); \
			if \
			:: armed[b] -> goto again \
			:: else \
			fi \
		} \
		atomic { \
			if \
			:: armed[b] || !fenced[b] \
			:: !armed[b] && fenced[b] -> strictly[b] = false; fenced[b] = false; moved(b, NONE) \
			:: !armed[b] && fenced[b] /* not enough changes in a row yet */ \
			fi; \
			goto rung \
		} \
again: \
		atomic { \
			if \
			:: armed[b] -> flush(b); moved(b, ringer(self)) \
			:: else -> flush(b); goto rung /* the compare-and-swap has failed */ \
			fi \
		} \
		atomic { \
			if \
			:: queue[b] != 0 -> wakeOne(b); goto rung \
			:: else /* it finds no sleeper */ \
			fi \
		} \
		atomic { \
			if \
			:: current[b] == ringer(self) -> armed[b] = false; current[b] = NONE \
			:: else \
			fi \
		}

#define leaveQueues queue[0] = queue[0] & ~bit(self); queue[1] = queue[1] & ~bit(self)

proctype selector(byte self) {
	byte b;     /* the bell of the present step */
	byte found; /* the source that is returned; 2: none, the wait was cancelled */
	bool second, slept, owed;
	{
		true;
look: /* Mirrors Select.look: from a source that is left open on, one after the other. */
		if
		:: b = 0
		:: b = 1
		fi;
		atomic {
			if
			:: unit[b] -> found = b; goto give
			:: else -> b = 1 - b
			fi
		}
		atomic {
			if
			:: unit[b] -> found = b; goto give
			:: else
			fi;
			b = 0;
			if
			:: second -> second = false; goto park
			:: else -> goto arm
			fi
		}

arm: /* Mirrors Select.fence: all bells are asked before the one membarrier. */
		atomic {
			if
			:: !fenced[0] -> strictly[0] = true; asked[0] = asked[0] | bit(self)
			:: else
			fi
		}
#ifdef BROKEN_BARRIER_FIRST
		atomic { drain(0); drain(1) }
#endif
		atomic {
			if
			:: !fenced[1] -> strictly[1] = true; asked[1] = asked[1] | bit(self)
			:: else
			fi
		}
#if !defined(BROKEN_NO_MEMBARRIER) && !defined(BROKEN_BARRIER_FIRST)
		atomic {
			if
			:: (asked[0] | asked[1]) & bit(self) -> drain(0); drain(1)
			:: else
			fi
		}
#endif
		atomic {
			if
			:: (asked[0] & bit(self)) && strictly[0] -> fenced[0] = true
			:: else
			fi
		}
		atomic {
			if
			:: (asked[1] & bit(self)) && strictly[1] -> fenced[1] = true
			:: else
			fi
		}
		/* Mirrors bell.armNow; a bell that is not fenced any more means another look. */
		atomic {
			if
			:: fenced[0]
			:: else -> goto arm
			fi;
			armed[0] = true; moved(0, self)
		}
#ifdef BROKEN_ARM_ONE
		skip;
#else
		atomic {
			if
			:: fenced[1]
			:: else -> goto arm
			fi;
			armed[1] = true; moved(1, self)
		}
#endif
#ifndef BROKEN_NO_RECHECK
		atomic { second = true; goto look }
#endif

park: /* Mirrors Any.Sleep: futex_waitv compares and queues one word after the other. */
		atomic {
			if
			:: current[0] == self && armed[0] -> queue[0] = queue[0] | bit(self)
			:: else -> goto look
			fi
		}
		atomic {
			slept = true;
			if
#ifdef BROKEN_ARM_ONE
			:: true ->
#else
			:: current[1] == self && armed[1] ->
#endif
				queue[1] = queue[1] | bit(self)
			:: else -> leaveQueues; goto look
			fi
		}
		atomic {
			if
			:: (queue[0] & queue[1] & bit(self)) == 0 -> leaveQueues; goto look
#ifdef BACKSTOP
			:: deaths > 0 && (unit[0] || unit[1]) -> leaveQueues; goto look
#endif
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; leaveQueues; found = 2; goto give
#endif
			:: over(0) && over(1) -> leaveQueues; goto through
			fi
		}

give: /* Mirrors Select.end. */
		second = false;
#ifndef BROKEN_NO_PASS_ON
		if
		:: !slept -> goto settle
		:: else
		fi;
		b = 0;
pass: /* Mirrors passOn. */
		atomic {
			if
			:: b != found && unit[b]
			:: else -> goto passed
			fi
		}
		if
		:: b == 0 -> goto pass0
		:: else -> goto pass1
		fi;
pass0:
		notifySteps(0, ring0, passed);
		goto passed;
pass1:
		notifySteps(1, ring1, passed);
passed:
		atomic {
			if
			:: b == 0 -> b = 1; goto pass
			:: else -> b = 0
			fi
		}
settle:
#endif
		atomic {
			owed = slept && found < 2;
			slept = false;
			if
#ifdef CLOSES
			:: found < 2 -> goto close
#endif
			/* The caller takes it, or another consumer was faster. */
			:: found < 2 && unit[found] -> unit[found] = false; owed = false
			:: found < 2 && !unit[found] -> owed = false; goto look
			:: found == 2 -> goto through
			fi
		}
		atomic {
			found = 0;
			if
			:: goto look
#ifdef BUSY
			:: goto through
#endif
			fi
		}
#ifdef CLOSES
close: /* Mirrors Select.Close: giveBack. */
#ifndef BROKEN_CLOSE_KEEPS_WAKE
		atomic {
			if
			:: owed && unit[found] -> owed = false
			:: else -> owed = false; goto through
			fi
		}
		if
		:: found == 0 -> goto back0
		:: else -> goto back1
		fi;
back0:
		notifySteps(0, ringBack0, through);
		goto through;
back1:
		notifySteps(1, ringBack1, through);
#endif
#endif
through:
		atomic { b = 0; found = 0; second = false; slept = false; owed = false; leaveQueues }
	} unless {
		atomic { gone & bit(self) -> b = 0; found = 0; second = false; slept = false; owed = false }
	}
}

#ifdef GETTER
/* Mirrors EventCount.Await of bell 1; see sleep.pml. */
proctype getter(byte self) {
	bool second;
look:
		atomic {
			if
			:: unit[1] ->
				unit[1] = false; second = false;
#ifdef FOREVER
				goto look
#else
				goto through
#endif
			:: !unit[1] && second -> second = false; goto park
			:: !unit[1] && !second
			fi
		}
ask:
		atomic {
			if
			:: fenced[1] -> goto announce
			:: else -> strictly[1] = true; asked[1] = asked[1] | bit(self)
			fi
		}
		atomic { drain(0); drain(1) }
		atomic {
			if
			:: (asked[1] & bit(self)) && strictly[1] -> fenced[1] = true
			:: else
			fi
		}
announce:
		atomic {
			if
			:: fenced[1]
			:: else -> goto ask
			fi;
			armed[1] = true; moved(1, self);
			second = true;
			goto look
		}
park:
		atomic {
			if
			:: current[1] == self && armed[1] -> queue[1] = queue[1] | bit(self)
			:: else -> goto look
			fi
		}
		atomic {
			if
			:: !(queue[1] & bit(self)) -> goto look
#ifdef BACKSTOP
			:: deaths > 0 && unit[1] -> queue[1] = queue[1] & ~bit(self); goto look
#endif
			:: over(1) -> queue[1] = queue[1] & ~bit(self)
			fi
		}
through:
	skip
}
#endif

proctype notifier(byte self; byte b) {
	byte round;
change:
	if
	:: round == ROUNDS -> goto through
	:: else
	fi;
end_full: /* every sleeper that could take the unit before has left */
	!unit[b] && !buffered[b];
	atomic { buffered[b] = true; round++ }
	if
	:: b == 0 -> goto bell0
	:: else -> goto bell1
	fi;
bell0:
	notifySteps(0, ring0, change);
	goto change;
bell1:
	notifySteps(1, ring1, change);
	goto change;
through:
	atomic { done = done | bit(b); round = 0 }
}

/* The store buffers drain at some time. */
proctype memory() {
end:
	do
	:: atomic { buffered[0] -> drain(0) }
	:: atomic { buffered[1] -> drain(1) }
	od
}

#if DEATHS > 0
/* A Select is killed. Until the kernel has taken it out of the queues it may swallow wake-ups. */
proctype kernel() {
	byte p;
end:
	do
	:: deaths < DEATHS ->
		atomic {
			if
			:: !(gone & bit(0)) -> p = 0
#if SELECTS > 1
			:: !(gone & bit(1)) -> p = 1
#endif
			fi;
			deaths++;
			gone = gone | bit(p)
		}
		atomic { queue[0] = queue[0] & ~bit(p); queue[1] = queue[1] & ~bit(p); p = 0 }
	od
}
#endif

init {
	byte i;
	atomic {
		for (i : 0 .. SELECTS - 1) {
			run selector(i)
		}
#ifdef GETTER
		run getter(SELECTS);
#endif
		run notifier(SLEEPERS, 0);
		run notifier(SLEEPERS + 1, 1);
		run memory();
#if DEATHS > 0
		run kernel();
#endif
		i = 0
	}
}
