/*
 * How goroutines sleep until a change, and how they are woken: bell.go and eventcount.go of
 * internal/lock, without a lock around them. Sleepers wait for units, notifiers bring them.
 *
 * One atomic block is one access to shared memory together with the local
 * decision that follows from it. Between two blocks any other process may run, and
 * each may die. "Mirrors f" names the Go function that the next steps mirror.
 *
 * A notifier makes its change with a plain store, which goes through a store buffer and drains
 * late, and then looks at the bell with a plain load. A sleeper's membarrier drains all buffers.
 * Where the bell is fenced, the sleeper issues no membarrier, and notifiers execute a locked
 * instruction on the bell instead.
 *
 * Configuration, each by -D:
 *
 *	SLEEPERS   processes that sleep, one leader each
 *	NOTIFIERS  processes that bring units, each into a place of its own
 *	ROUNDS     units that each notifier brings
 *	ONCE       a sleeper takes one unit and leaves; otherwise it goes on until none can come any more
 *	SWAPPED    every change is a locked instruction, and sleepers ask for nothing
 *	NO_BARRIER the kernel refuses membarriers: every look at the bell is a locked instruction
 *	TRUST      a further check: when a sleeper relies on a fenced bell, no change that found the bell
	           quiet is still on its way to memory
	EVENT      a unit stays for all to see, and all sleepers are woken, as in event.go and Broadcast
 *	DEATHS     how many processes may be killed
 *	CANCELS    how many waits may be cancelled
 *	BACKSTOP   a sleeper may look again by itself after a death
 *	BROKEN_*   one mistake each, which spin must find
 *
 * Loads are satisfied in their order. With BROKEN_LOOK_EARLY the second look is not: it is a load
 * without an order, which may be satisfied at any moment between the first look and its turn.
 *
 * Property: when no step is possible any more, no process sleeps while there is a unit. Otherwise
 * the sleeper is in an invalid end state.
 */

#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef NOTIFIERS
#define NOTIFIERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif

#define ALL       (SLEEPERS + NOTIFIERS)
#define bit(i)    (1 << (i))
#define place(i)  ((i) - SLEEPERS) /* of notifier i */

/* Sleepers wait for a unit in the place of a notifier. It is in memory, or on its way there. */
bool unit[NOTIFIERS], buffered[NOTIFIERS];

/*
 * The bell. Every turn of it is unique, so the word equals what a process remembers of it
 * exactly while that process was the last to move it. current has that process,
 * a sleeper by its ticket, or a process by its ring.
 */
#define NONE      15
#define ringer(i) (8 + (i))
bool armed, strictly, fenced;
byte current = NONE;

/* The sleepers that have asked for fences at the present turn. Their compare-and-swaps succeed
 * until the turn moves on. */
byte asked;
#define moved(by) current = by; asked = 0 /* the turn moves on */

/* The kernel: the processes that are queued on the bell. */
byte queue;

byte gone;  /* killed */
byte done;  /* notifiers that bring no more */
byte deaths, cancels;

/* The change on its way has found the bell quiet. */
bool plain[NOTIFIERS];
#ifdef TRUST
#define sawQuiet plain[place(self)] = buffered[place(self)]
#else
#define sawQuiet skip
#endif
#if NOTIFIERS > 1
#define anyPlain (plain[0] || plain[1])
#else
#define anyPlain plain[0]
#endif

/* A store buffer reaches memory. */
inline drain(n) {
	if
	:: buffered[n] -> buffered[n] = false; plain[n] = false; unit[n] = true
	:: else
	fi
}

/* A locked instruction of a notifier, and a membarrier. */
inline flush() {
	if
	:: self >= SLEEPERS -> drain(place(self))
	:: else
	fi
}

inline membarrier() {
	drain(0);
#if NOTIFIERS > 1
	drain(1)
#endif
}

#if NOTIFIERS > 1
#define onTheWay (buffered[0] || buffered[1])
#define anyUnit  (unit[0] || unit[1])
#else
#define onTheWay buffered[0]
#define anyUnit  unit[0]
#endif

/* No unit is there, and none can come any more, so sleeping for ever is right. */
#define over (!anyUnit && !onTheWay && ((done | gone) >> SLEEPERS) == bit(NOTIFIERS) - 1)

/* FUTEX_WAKE of one: any sleeper of the queue, as the kernel promises no order. */
inline wakeOne() {
	if
	:: queue & bit(0) -> queue = queue & ~bit(0)
#if SLEEPERS > 1
	:: queue & bit(1) -> queue = queue & ~bit(1)
#endif
#if SLEEPERS > 2
	:: queue & bit(2) -> queue = queue & ~bit(2)
#endif
	fi
}

/* Mirrors countUnrung: after any number of changes that found no sleeper, the bell
 * becomes quiet. It swaps the word that it has seen, which is what its step before made of it. */
inline relaxSteps() {
	atomic {
#ifdef BROKEN_RELAX_STORE
		armed = false; strictly = false; fenced = false; moved(NONE)
#else
		if
		:: armed || !fenced
#ifdef BROKEN_RELAX_KEEPS_TURN
		:: !armed && fenced -> strictly = false; fenced = false
#else
		:: !armed && fenced -> strictly = false; fenced = false; moved(NONE)
#endif
		fi
#endif
	}
}

/* Mirrors bell.ringFrom, after a look that found the bell armed. Goes on at rung. */
inline ringSteps() {
	true;
ring:
	atomic {
		if
		:: armed -> flush(); moved(ringer(self))
#ifdef BROKEN_RING_NO_FENCE
		:: else -> goto rung
#else
		:: else -> flush(); goto rung /* the compare-and-swap has failed */
#endif
		fi
	}
	atomic {
#if defined(EVENT) && !defined(BROKEN_RING_ONE)
		queue = 0;
#else
		if
		:: queue != 0 -> wakeOne(); goto rung
		:: else /* no process sleeps any more */
		fi
#endif
	}
	atomic {
		if
#ifdef BROKEN_DISARM_STORE
		:: true ->
#else
		:: current == ringer(self) ->
#endif
			armed = false;
			current = NONE
#ifndef BROKEN_DISARM_STORE
		:: else
#endif
		fi
	}
}

/* A unit is there: the sleeper takes it. */
#ifdef EVENT
#define took goto through
#elif defined(ONCE)
#define took unit[n] = false; goto through
#else
#define took unit[n] = false; n = 0; slept = false; goto look
#endif

#ifdef BROKEN_LOOK_EARLY
#define seen (unit[n] && !(second && early)) /* a load that was satisfied before the unit came */
#else
#define seen unit[n]
#endif

proctype sleeper(byte self) {
	byte n;
	bool second, slept;
#ifdef BROKEN_LOOK_EARLY
	bool early;
#endif
	{
		true;
look: /* Mirrors await, and sleep with an armed bell: ready looks at one place after the other. */
		atomic {
			if
			:: seen -> second = false; took
			:: !seen && n + 1 < NOTIFIERS -> n++; goto look
			:: !seen && n + 1 == NOTIFIERS ->
				n = 0;
				if
				:: second -> second = false; goto park
				:: else -> goto arm
				fi
			fi
		}

arm: /* Mirrors await and bell.arm. */
#if CANCELS > 0
		if
		:: atomic { cancels < CANCELS -> cancels++; goto leave }
		:: true
		fi;
#endif
#ifdef BROKEN_LOOK_EARLY
		atomic {
			if
			:: !anyUnit -> early = true
			:: early = false
			fi
		}
#endif
#ifndef SWAPPED
ask: /* Mirrors bell.armFenced and bell.fence. */
		atomic {
			if
			:: fenced -> goto announce
			:: else
			fi
		}
		atomic { /* Another may have made it fenced meanwhile. */
			strictly = true;
			asked = asked | bit(self)
#ifdef BROKEN_FENCED_EARLY
			; fenced = true
#endif
		}
#if !defined(NO_BARRIER) && !defined(BROKEN_NO_MEMBARRIER)
		atomic { membarrier() }
#endif
		atomic {
			if
			:: (asked & bit(self)) && strictly -> fenced = true
			:: else
			fi
		}
#endif
announce: /* Mirrors bell.armAt. */
		atomic {
#if !defined(SWAPPED) && !defined(BROKEN_ARM_RELAXED)
			if
			:: fenced
			:: else -> goto ask
			fi;
#endif
			assert(!anyPlain);
			armed = true;
			moved(self);
			goto armed2
		}
armed2:
#ifndef BROKEN_NO_RECHECK
		atomic { second = true; goto look }
#endif

park: /* Mirrors Park: the kernel compares and queues. */
		atomic {
			if
#ifdef BROKEN_NO_COMPARE
			:: true -> queue = queue | bit(self)
#else
			:: current == self && armed -> queue = queue | bit(self)
			:: else -> goto look
#endif
			fi
		}
		atomic {
			if
			:: !(queue & bit(self)) -> slept = true; goto look
#ifdef BACKSTOP
			:: deaths > 0 && anyUnit -> queue = queue & ~bit(self); goto look
#endif
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; slept = true; queue = queue & ~bit(self); goto leave
#endif
			:: over -> goto through
			fi
		}

#if CANCELS > 0
leave: /* Mirrors the end of await: it passes on the wake-up that it may have been given. */
#ifndef BROKEN_LEAVE_SWALLOWS_WAKE
		if
		:: slept -> goto ring
		:: else -> goto through
		fi;
		ringSteps();
rung:
		skip;
#endif
#endif
through:
		atomic { n = 0; second = false; slept = false; queue = queue & ~bit(self) }
	} unless {
		atomic { gone & bit(self) -> n = 0; second = false; slept = false }
	}
}

proctype notifier(byte self) {
	byte round;
#ifdef BROKEN_LOOK_FIRST
	bool saw;
#endif
	{
		true;
change:
		if
		:: round == ROUNDS -> goto through
		:: else
		fi;
#ifndef EVENT
end_full: /* the sleepers that would take the unit have left */
		!unit[place(self)] && !buffered[place(self)];
#endif
#ifdef BROKEN_LOOK_FIRST
		saw = armed;
#endif
#ifdef SWAPPED
		atomic { unit[place(self)] = true; round++ }
#else
		atomic { buffered[place(self)] = true; round++ }
#endif
#if defined(BROKEN_NO_LOOK)
		goto change;
#elif defined(BROKEN_LOOK_FIRST)
		if
		:: saw -> saw = false; goto ring
		:: else -> goto change
		fi;
#else
		/* Mirrors Notify and bell.look. */
		atomic {
			if
			:: armed -> goto ring
#if defined(BROKEN_NO_FENCE) || defined(SWAPPED)
			:: else -> goto change
#elif defined(NO_BARRIER)
			:: else
#else
			:: !armed && !strictly -> sawQuiet; goto change
			:: !armed && strictly
#endif
			fi
		}
		atomic {
			flush();
			if
			:: armed -> goto ring
			:: else
			fi
		}
		relaxSteps();
		goto change;
#endif
		ringSteps();
rung:
		goto change;
through:
		atomic { done = done | bit(self); round = 0 }
	} unless {
		atomic { gone & bit(self) -> round = 0 }
	}
}

/* The store buffers drain at some time, even after the death of their process. */
proctype memory() {
end:
	do
	:: atomic { buffered[0] -> drain(0) }
#if NOTIFIERS > 1
	:: atomic { buffered[1] -> drain(1) }
#endif
	od
}

#if DEATHS > 0
/* A process is killed. Until the kernel has taken it out of the queue it may swallow a wake-up. */
proctype kernel() {
	byte p;
end:
	do
	:: deaths < DEATHS ->
		atomic {
			if
			:: !(gone & bit(0)) -> p = 0
#if ALL > 1
			:: !(gone & bit(1)) -> p = 1
#endif
#if ALL > 2
			:: !(gone & bit(2)) -> p = 2
#endif
#if ALL > 3
			:: !(gone & bit(3)) -> p = 3
#endif
#if ALL > 4
			:: !(gone & bit(4)) -> p = 4
#endif
			fi;
			deaths++;
			gone = gone | bit(p)
		}
		atomic { queue = queue & ~bit(p); p = 0 }
	od
}
#endif

init {
	byte i;
	atomic {
		for (i : 0 .. SLEEPERS - 1) {
			run sleeper(i)
		}
		for (i : SLEEPERS .. ALL - 1) {
			run notifier(i)
		}
		run memory();
#if DEATHS > 0
		run kernel();
#endif
		i = 0
	}
}
