/*
 * The condition variable of internal/lock/cond: cond.go, queue.go, notify.go and
 * reclaim.go. The model is about which waiters are granted the return, and what happens to the
 * grants of dead processes. sleep.pml shows how waiters sleep; here a ring is one step.
 *
 * One atomic block is one access to shared memory together with the local
 * decision that follows from it. Between two blocks any other process may run, and
 * each may die. "Mirrors f" names the Go function that the next steps mirror.
 *
 * Configuration, each by -D:
 *
 *	WAITERS    processes that have a seat, and wait once, one goroutine each
 *	NOTIFIERS  processes that notify
 *	SIGNALS    notifications by each of them
 *	STORM      notifiers broadcast instead of signalling
 *	DEATHS     how many processes may be killed
 *	CANCELS    how many waits may be cancelled
 *	NEWCOMER   one more process waits, which has no seat yet
 *	BROKEN_*   one mistake each, which spin must find
 *
 * A waiter looks again by itself after a death: the backstop.
 *
 * Properties: as many waiters return as were notified, and at most one more for each death in the
 * middle of a rescue. No fewer return, as long as a waiter is left. No waiter waits for ever if it
 * was granted the return, or waited already when a broadcast began, or while a dead process has a
 * grant.
 */

#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef NOTIFIERS
#define NOTIFIERS 1
#endif
#ifndef SIGNALS
#define SIGNALS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif

#ifdef NEWCOMER
#define SEATS (WAITERS + 1)
#else
#define SEATS WAITERS
#endif
#define ALL    (SEATS + NOTIFIERS)
#define NOBODY 15
#define bit(i) (1 << (i))

/* Seat n: its owner, its counts, and whether its bell was rung since the owner went to sleep. Owner
 * and counts are one word. */
byte owner[SEATS] = NOBODY;
byte waiting[SEATS], granted[SEATS];
bool rung[SEATS];

byte lock = NOBODY; /* the lock of the object, for claims and rescues */
byte storms;        /* number of broadcasts so far */

byte gone, done; /* the processes that were killed, and those that have finished */
byte deaths, cancels; /* deaths and cancels that may still come */
bool died;
byte began[SEATS];    /* number of broadcasts when the waiter came */

#define dead(p) ((p) == NOBODY || (gone & bit(p)))

/* Only the properties use these. */
byte notified; /* grants by notifiers */
byte returns;  /* waiters that came back with a grant, and have the lock */
byte dropped;  /* grants of dead processes for which no waiter was left */
byte giving;   /* processes that have copied a dead one's grant, and not removed the old one */
byte excess;   /* those that died in between */

#define orphan(n) (dead(owner[n]) && granted[n])
#define orphans   (orphan(0) || orphan(1) || orphan(SEATS - 1))

/* A CAS that grants a waiter in seat n the return. */
inline grantIn(n) {
	granted[n] = granted[n] + 1
}

proctype waiter(byte self) {
	byte seat = self;
	byte n, m, had;
	bool claiming;
	{
		true;
#ifdef NEWCOMER
		/* Mirrors claim: the seat of a dead process, or the last one. */
		if
		:: self == SEATS - 1 -> claiming = true; goto takeLock
		:: else
		fi;
claim:
		if
		:: claiming ->
			atomic {
				if
				:: owner[0] != NOBODY && dead(owner[0]) -> seat = 0
				:: else -> seat = SEATS - 1
				fi;
				/* Mirrors ProcSlots.Claim: it looks again when the seat has changed meanwhile. */
				if
#ifndef BROKEN_CLAIM_FORGETS
				:: granted[seat] > 0 -> n = 0; goto inherit
#endif
				:: else -> owner[seat] = self; waiting[seat] = 0; granted[seat] = 0
				fi
			}
			atomic { claiming = false; lock = NOBODY }
		:: else
		fi;
#endif

		/* Mirrors join. */
		atomic { waiting[seat] = waiting[seat] + 1 }
		atomic { began[self] = storms }

sleep: /* Mirrors EventCount.await: armed, it looks again. */
		atomic {
			rung[seat] = false;
			if
			:: granted[seat] -> goto relock
			:: else
			fi
		}
end_asleep:
		atomic {
			if
			:: rung[seat] -> goto sleep
#if CANCELS > 0
			:: cancels > 0 -> cancels--; goto leave
#endif
			/* The backstop: it finds a change that came without a ring. */
#ifndef BROKEN_NO_RESCUE
			:: died && orphans -> goto look
#endif
			:: died && granted[seat] -> goto sleep
#ifndef BROKEN_NO_CATCH_UP
			:: died && began[self] != storms && !granted[seat] -> goto catchUp
#endif
			fi
		}
catchUp: /* Mirrors catchUp. */
		atomic {
			if
			:: granted[seat] == 0 -> granted[seat] = 1
			:: else
			fi;
			goto relock
		}

look: /* Mirrors reclaimGrants: it takes the lock, free or of a dead owner, or leaves it to its
       * owner. */
		atomic {
			if
#ifdef BROKEN_NO_LOCK
			:: true
#else
			:: dead(lock) -> lock = self
			:: else -> goto sleep
#endif
			fi;
			n = 0;
			goto inherit
		}
#ifdef NEWCOMER
takeLock:
		atomic { dead(lock) -> lock = self; n = 0; goto inherit }
#endif

inherit: /* Mirrors redistribute and emptyDead. */
		atomic {
			if
			:: n == SEATS -> n = 0; goto rescued
			:: n < SEATS && owner[n] != NOBODY && dead(owner[n]) && (granted[n] || waiting[n]) -> waiting[n] = granted[n]; had = granted[n]
			:: else -> n++; goto inherit
			fi;
			if
			:: had == 0 -> n++; goto inherit
			:: else -> m = 0
			fi
		}
#ifdef BROKEN_TAKE_FIRST
		atomic { granted[n] = granted[n] - 1; waiting[n] = waiting[n] - 1 }
#endif
give: /* Mirrors grant, and notify: a death in between is found at the end. */
		atomic {
			if
			:: m == SEATS -> goto drop
			:: m < SEATS && !dead(owner[m]) && waiting[m] > granted[m] -> grantIn(m); giving = giving | bit(self)
			:: else -> m++; goto give
			fi
		}
		atomic { rung[m] = true; m = 0 }
#ifndef BROKEN_TAKE_FIRST
		atomic {
			if
			:: granted[n] > 0 -> granted[n] = granted[n] - 1; waiting[n] = granted[n]
			:: else
			fi;
			had = 0;
			giving = giving & ~bit(self);
			goto inherit
		}
#else
		atomic { giving = giving & ~bit(self); goto inherit }
#endif
drop:
		atomic {
			m = 0;
			had = 0;
#ifdef BROKEN_TAKE_FIRST
			dropped++;
#endif
			dropped = dropped + granted[n];
			granted[n] = 0;
			waiting[n] = 0;
			goto inherit
		}
rescued:
#ifdef NEWCOMER
		if
		:: claiming -> goto claim
		:: else
		fi;
#endif
		atomic {
			if
			:: lock == self -> lock = NOBODY
			:: else
			fi;
			goto sleep
		}

#if CANCELS > 0
leave: /* Mirrors cancel. */
		atomic {
			if
#ifndef BROKEN_LEAVE_DROPS
			:: granted[seat] >= waiting[seat] -> goto relock
#endif
			:: else -> waiting[seat] = waiting[seat] - 1; granted[seat] = 0
			fi;
			goto through
		}
#endif

relock: /* It has been notified, and waits for the lock. */
#ifdef BROKEN_GRANT_ENDS_EARLY
		atomic { granted[seat] = granted[seat] - 1; waiting[seat] = waiting[seat] - 1 }
#endif
		skip;
		/* Mirrors end. */
		atomic {
			returns++;
#ifndef BROKEN_GRANT_ENDS_EARLY
			granted[seat] = granted[seat] - 1;
			waiting[seat] = waiting[seat] - 1;
#endif
#ifndef STORM
			assert(returns <= notified + excess)
#endif
		}
through:
		atomic { done = done | bit(self); n = 0; m = 0; had = 0 }
	} unless {
		atomic { gone & bit(self) -> n = 0; m = 0; had = 0; claiming = false }
	}
}

proctype notifier(byte self) {
	byte round, n, start;
	{
		do
		:: round == SIGNALS -> break
		:: else ->
			round++;
			n = 0;
#ifdef STORM
			/* Mirrors Broadcast. */
			atomic { storms++ }
			do
			:: atomic { n == SEATS -> break }
			:: atomic { n < SEATS ->
				if
				:: !dead(owner[n]) && waiting[n] > granted[n] -> granted[n] = waiting[n]
				:: else -> n++; goto next
				fi }
				atomic { rung[n] = true; n++ }
next:			skip
			od
#else
			/* Mirrors grant and notify. Where it begins is left open. */
			atomic {
				if
				:: start = 0
				:: start = 1
				fi
			}
			do
			:: atomic { n == SEATS -> break }
			:: atomic { n < SEATS ->
				if
				:: !dead(owner[(start + n) % SEATS]) && waiting[(start + n) % SEATS] > granted[(start + n) % SEATS] ->
					n = (start + n) % SEATS;
					grantIn(n);
					notified++
				:: else -> n++; goto next
				fi }
				atomic { rung[n] = true; n = SEATS }
next:			skip
			od
#endif
		od;
		atomic { done = done | bit(self); round = 0; n = 0; start = 0 }
	} unless {
		atomic { gone & bit(self) -> round = 0; n = 0; start = 0 }
	}
}

#if DEATHS > 0
proctype kernel() {
	byte p;
	do
	:: atomic { deaths > 0 ->
		if
		:: !((gone | done) & bit(0)) -> p = 0
		:: !((gone | done) & bit(1)) -> p = 1
#if ALL > 2
		:: !((gone | done) & bit(2)) -> p = 2
#endif
#if ALL > 3
		:: !((gone | done) & bit(3)) -> p = 3
#endif
#if ALL > 4
		:: !((gone | done) & bit(4)) -> p = 4
#endif
		:: deaths = 1; p = NOBODY
		fi;
		deaths--;
		if
		:: p != NOBODY ->
			died = true;
			gone = gone | bit(p);
			if
			:: giving & bit(p) -> excess++
			:: else
			fi
		:: else
		fi;
		p = 0 }
	:: deaths == 0 -> break
	od
}
#endif

/* No other step is possible, apart from those that a waiter may take by itself. */
proctype judge() {
	byte p, left;
	timeout ->
	atomic {
		for (p : 0 .. SEATS - 1) {
			if
			:: !((gone | done) & bit(p)) -> left++; assert(began[p] == storms)
			:: else
			fi;
			assert(owner[p] == NOBODY || dead(owner[p]) || granted[p] == 0)
		}
		if
		:: left > 0 ->
			assert(!orphans);
#ifndef STORM
			assert(returns + dropped >= notified)
#endif
		:: else
		fi;
		p = 0;
		left = 0
	}
}

init {
	byte i;
	atomic {
		for (i : 0 .. WAITERS - 1) {
			owner[i] = i
		}
		for (i : 0 .. SEATS - 1) {
			run waiter(i)
		}
		for (i : SEATS .. ALL - 1) {
			run notifier(i)
		}
#if DEATHS > 0
		run kernel();
#endif
		run judge();
		cancels = CANCELS;
		deaths = DEATHS;
		i = 0
	}
}
