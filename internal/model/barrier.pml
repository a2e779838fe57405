/*
 * The barrier of internal/lock.
 *
 * One atomic block is one access to shared memory together with the local
 * decision that follows from it. Between two blocks any other process may
 * run, and the process may die. "Mirrors f" names the Go function that the
 * next steps mirror: it is in barrier.go or break.go of internal/lock/barrier, or is
 * EventCount.await of the event count.
 *
 * Configuration, each by -D:
 *
 *	PROCS     parties, processes of one goroutine each: 2 or 3
 *	ROUNDS    how often each comes
 *	ACTION    the last to come runs an action, which may fail
 *	RESETS    how often parties that were told that it is broken reset it and go on
 *	LOOKER    a process that is no party aborts or resets it, at any time
 *	DEATHS    how many processes may be killed
 *	CANCELS   how many waits may be cancelled
 *	BACKSTOP  a sleeper may look again by itself after a death
 *	BROKEN_*  one mistake each, which spin must find
 *
 * Reset takes a lock, which is the mutex of mutex.pml. mutex.pml shows that the lock goes to the
 * next process after a death, so taking it is one step here. sleep.pml shows that a waiter which
 * arms the bell and looks again sees each change that came before a ring that does not wake it;
 * this model relies on that. A killed process stops at once. Not modelled are processes that come
 * later, and a Reset without the lock because its holder is stopped.
 */

#ifndef PROCS
#define PROCS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef RESETS
#define RESETS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif

#define NOBODY    7
#define GENS      8
#define bit(i)    (1 << (i))
#define isDead(i) (dead & bit(i))
#define seated(i) (seats & bit(i))

#if PROCS > 2
#define orThird(x) || x
#else
#define orThird(x)
#endif

/* Shared memory. The first four are one word. */
byte gen, arrived, history;
bool broken;
byte seats = bit(PROCS) - 1;
byte mu = NOBODY;

/* The bell: the processes whose tickets are valid, because no ring has come since. */
byte armed;

/* The kernel: the dead processes, and those queued on the bell and on each liveness word. */
byte dead, onBell, onLive[PROCS];

byte deaths, cancels, resets;

/* Only the properties use these, the protocol does not. */
byte came[GENS];        /* number of arrivals in a generation */
byte ended[GENS];       /* 1: tripped, 2: broken */
byte sees[PROCS];       /* the processes that had a seat when this one arrived */

#define isOver(g) (gen != g || broken)

/* Mirrors stateWord.next. The caller knows the state. */
inline next(pieces) {
	if
	:: !broken -> ended[gen] = 1 + pieces
	:: else
	fi;
#ifdef BROKEN_NO_HISTORY
	history = 0;
#else
	history = (history << 1) | pieces;
#endif
	gen++;
	arrived = 0;
	broken = false
}

/* Mirrors EventCount.NotifyAll. It makes the tickets of processes that are about to sleep invalid
 * before it wakes those that sleep. */
inline ring() {
	if
	:: atomic { armed -> armed = 0 };
		atomic { onBell = 0 }
	:: atomic { !armed -> skip }
	fi
}

/* Mirrors markBroken. */
inline breakUp(g, did) {
	atomic {
		did = false;
		if
		:: gen == g && !broken -> broken = true; ended[g] = 2; did = true
		:: else
		fi
	}
	if
	:: did -> ring()
	:: !did
	fi
}

/* Mirrors detectDeath. A process that sees a death wakes all sleepers of that liveness word. */
inline mourn(g, found, did) {
	atomic { /* One step looks at all seats. A death during it counts as one after it. */
		found = false;
		for (i : 0 .. PROCS - 1) {
			if
			:: seated(i) && isDead(i) -> onLive[i] = 0; found = true
			:: else
			fi
		}
		i = 0
	}
	if
	:: found -> breakUp(g, did)
	:: else
	fi
}

/* Mirrors Reset. */
inline reset(g, found, did) {
#ifndef BROKEN_RESET_NO_LOCK
	atomic { mu == NOBODY || isDead(mu) -> mu = self };
#endif
	do
	:: atomic { broken -> k = 1; break }
	:: atomic { !broken -> g = gen; k = arrived };
		mourn(g, found, did);
		if
		:: !found && k == 0 -> break
		:: !found && k > 0 -> breakUp(g, did)
		:: found -> k = 1
		fi
#ifdef BROKEN_RESET_STALE
		; break
#endif
	od;
#ifdef BROKEN_RESET_ALWAYS_FORGETS
	k = 1;
#endif
	if
	:: k > 0 ->
		/* Mirrors dropDead. */
		i = 0;
		do
		:: i < PROCS ->
			atomic {
				if
				:: seated(i) && isDead(i) -> onLive[i] = 0; seats = seats & ~bit(i)
				:: else
				fi;
				i++
			}
		:: else -> break
		od;
		i = 0;
		atomic {
			last = broken;
			if
			:: broken -> next(1)
			:: else
			fi
		}
		if
		:: last -> ring()
		:: else
		fi
	:: else
	fi;
	atomic {
		k = 0;
		found = false; did = false; last = false;
		if
		:: mu == self -> mu = NOBODY
		:: else
		fi
	}
}

proctype party(byte self) {
	byte g, k, i, round, watch, before;
	bool found, did, last;
	{
		true;
come: /* Mirrors arrive. */
		atomic {
			g = gen;
			before = arrived;
			if
			:: broken -> goto failed
			:: else
			fi
		}
		mourn(g, found, did);
		if
		:: atomic { found -> found = false; did = false; before = 0; goto come }
		:: !found
		fi;
		atomic {
			if
			:: gen == g && arrived == before && !broken ->
				came[g]++;
				sees[self] = seats;
				last = before == PROCS - 1;
				if
#ifndef ACTION
				:: last -> next(0)
#endif
				:: else -> arrived++
				fi;
				before = 0;
				if
				:: !last -> goto wait
				:: else -> last = false
				fi
			:: else -> before = 0; goto come
			fi
		}
#ifdef ACTION /* Mirrors act and trip. */
		if
		:: breakUp(g, did);
			goto failed
		:: true
		fi;
		atomic {
			did = false;
			if
			:: !isOver(g) -> next(0); did = true
			:: else -> goto over
			fi
		}
#endif
#ifndef BROKEN_TRIP_NO_RING
		ring();
#endif
		goto over;

wait: /* Mirrors EventCount.await, ready and watch. */
		atomic {
			if
			:: isOver(g) -> goto over
			:: else
			fi
		}
		atomic { armed = armed | bit(self) }
#ifndef BROKEN_NO_SECOND_LOOK
		atomic {
			if
			:: isOver(g) -> goto over
			:: else
			fi
		}
#endif
		mourn(g, found, did);
		if
		:: atomic { found -> found = false; did = false; goto wait }
		:: !found
		fi;
		atomic { watch = seats & ~bit(self) }
#ifdef BROKEN_NOBODY_WATCHED
		watch = 0;
#endif
		atomic { /* futex_waitv */
			if
			:: !(armed & bit(self)) || (dead & watch) -> watch = 0; goto wait
			:: else
			fi;
			onBell = onBell | bit(self);
			for (i : 0 .. PROCS - 1) {
				if
				:: watch & bit(i) -> onLive[i] = onLive[i] | bit(self)
				:: else
				fi
			}
			i = 0
		}
#define off(i) ((watch & bit(i)) && !(onLive[i] & bit(self)))
		atomic {
			if
			:: !(onBell & bit(self)) || off(0) || off(1) orThird(off(2)) -> skip
#ifdef BACKSTOP
			/* In other states it would see nothing new. */
			:: deaths > 0 && (isOver(g) || (seats & dead)) -> skip
#endif
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; k = 1
#endif
			/* It waits for a party that lives and does not come. */
			:: timeout && !isOver(g) && !(sees[self] & dead) -> goto rests
			fi;
			onBell = onBell & ~bit(self);
			for (i : 0 .. PROCS - 1) {
				onLive[i] = onLive[i] & ~bit(self);
				if /* Mirrors Watch.spread. */
				:: (watch & bit(i)) && isDead(i) -> onLive[i] = 0
				:: else
				fi
			}
			i = 0;
			watch = 0
		}
		if
		:: k == 0 -> goto wait
		:: else
		fi;
		k = 0; /* Mirrors the end of awaitEnd. */
		breakUp(g, did);
		if
		:: did -> goto stop
		:: else
		fi;

over: /* Mirrors outcome. */
		atomic {
			if
			:: gen == g -> did = broken
			:: else -> did = (history >> (gen - g - 1)) & 1
			fi;
			/* Property: a waiter is told that all have arrived only if they have, and all waiters
			 * of a generation are told the same. */
			assert(did || (came[g] == PROCS && ended[g] == 1));
			assert(!did || ended[g] == 2);
			if
			:: did -> did = false; goto failed
			:: else
			fi;
			round++;
			if
			:: round < ROUNDS -> goto come
			:: else -> goto stop
			fi
		}

failed:
		if
		:: atomic { resets < RESETS -> resets++; before = 0; did = false };
			reset(g, found, did);
			goto come
		:: true
		fi;
stop:		skip;
rests:		skip
	} unless { atomic { isDead(self) -> skip } }
}

#ifdef LOOKER
proctype looker(byte self) {
	byte g, k, i;
	bool found, did, last;
	{
		if
		:: reset(g, found, did)
		:: atomic { g = gen };
			breakUp(g, did)
		fi
	} unless { atomic { isDead(self) -> skip } }
}
#endif

/* The kernel kills a process, marks its liveness word, and in a further step wakes one sleeper of
 * it. */
#if DEATHS > 0
proctype killer() {
	byte victim, i;
	do
	:: deaths < DEATHS ->
		atomic {
			select (victim : 0 .. PROCS);
			if
#ifndef LOOKER
			:: victim == PROCS -> victim = 0
#endif
			:: else
			fi;
			if
			:: isDead(victim) -> goto end
			:: else
			fi;
			deaths++;
			dead = dead | bit(victim);
			onBell = onBell & ~bit(victim);
			for (i : 0 .. PROCS - 1) {
				onLive[i] = onLive[i] & ~bit(victim)
			}
		}
		atomic {
			if
			:: victim < PROCS ->
				if
				:: onLive[victim] & bit(0) -> onLive[victim] = onLive[victim] & ~bit(0)
				:: onLive[victim] & bit(1) -> onLive[victim] = onLive[victim] & ~bit(1)
#if PROCS > 2
				:: onLive[victim] & bit(2) -> onLive[victim] = onLive[victim] & ~bit(2)
#endif
				:: onLive[victim] == 0
				fi
			:: else
			fi
		}
	:: true -> break
	od;
end:	skip
}
#endif

init {
	atomic {
		byte p;
		for (p : 0 .. PROCS - 1) {
			run party(p)
		}
#ifdef LOOKER
		run looker(PROCS);
#endif
#if DEATHS > 0
		run killer()
#endif
	}
}
