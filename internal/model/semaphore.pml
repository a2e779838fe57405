/*
 * The semaphore of internal/lock, with undo or without.
 *
 * One atomic block is one access to shared memory together with the local
 * decision that follows from it. Between two blocks any other process may
 * run, and the process may die. "Mirrors f" names the Go function that the next
 * steps mirror. It is in semaphore.go, acquire.go or turn.go of
 * internal/lock/semaphore, in undo.go, or is EventCount.Await or a method of bell.
 *
 * Configuration, each by -D:
 *
 *	PROCS     processes, one goroutine each: 2 or 3
 *	UNITS     how many units there are
 *	ROUNDS    how often each acquires and releases
 *	HEAVY     process 0 wants all units at once; the others want one
 *	PLAIN     no undo: units of a dead process are lost, and so is a ring that it still owed. So only
	          processes without units and without a ring to come may die
 *	DEATHS    how many processes may be killed
 *	CANCELS   how many waits may be cancelled
 *	SPARE     a release wakes so many sleepers more than it releases units: 1, or 0
 *	STARVE    waiters may take the turn at any time
 *	DAWDLE    others may end the turn of a living process
 *	BACKSTOP  a sleeper may look again by itself after a death
 *	BROKEN_*  one mistake each, which spin must find
 *
 * The lock of the tally, which has the undo counts, is the mutex of mutex.pml. mutex.pml shows that
 * the lock goes to the next process after a death, and that this process is told. So taking it is
 * one step here. The change and the look at the bell are locked instructions, so that no membarrier
 * is needed. A killed process stops at once; world.pml has processes that run on for a while
 * (LATE).
 */

#ifndef PROCS
#define PROCS 2
#endif
#ifndef UNITS
#define UNITS 1
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

#ifndef SPARE
#define SPARE 1
#endif

#define NOBODY    7
#define ALL       9
#define bit(i)    (1 << (i))
#define isDead(i) (dead & bit(i))

/* Shared memory. */
byte available = UNITS; /* free */
byte seat[PROCS];
byte mu = NOBODY;       /* the owner of the tally's lock */
byte turn = NOBODY;
bool heavy;

/* The bell. Every turn of it is unique, so the word equals what a process remembers of it exactly
 * while that process was the last to move it: by its ticket, or ringer(i) by its ring. */
#define ringer(i) (8 + (i))
bool armed;
byte current = NOBODY;

/* The kernel: the dead processes, and those queued on the bell and on each liveness word. */
byte dead, onBell, onLive[PROCS];

byte deaths, cancels, finished;
byte has[PROCS]; /* units of each process; only the properties use it */
byte ringing;    /* the processes that have released units, and not rung yet */

#if PROCS > 2
#define third(x)    + x
#define orThird(x)  || x
#define seats       (seat[0] + seat[1] + seat[2])
#define all         (has[0] + has[1] + has[2])
#else
#define third(x)
#define orThird(x)
#define seats       (seat[0] + seat[1])
#define all         (has[0] + has[1])
#endif

#define isLost(i) (isDead(i) && seat[i])
#define someLost  (isLost(0) || isLost(1) orThird(isLost(2)))

/* Mirrors isElsewhere. What it clears makes no difference here. */
#ifdef BROKEN_TURN_OF_DEAD
#define elsewhere (turn != NOBODY && turn != self)
#else
#define elsewhere (turn != NOBODY && turn != self && !isDead(turn))
#endif

/* FUTEX_WAKE of one: any sleeper of the queue, as the kernel promises no order. */
inline wakeOne(queue) {
	if
	:: queue & bit(0) -> queue = queue & ~bit(0)
	:: queue & bit(1) -> queue = queue & ~bit(1)
#if PROCS > 2
	:: queue & bit(2) -> queue = queue & ~bit(2)
#endif
	:: queue == 0
	fi
}

/* Mirrors bell.ring, for k sleepers. */
inline ring(k) {
	if
	:: atomic { armed -> current = ringer(self) };
		if
		:: atomic { k == ALL -> onBell = 0; k = 1 }
		:: atomic { k != ALL ->
			do
			:: k > 0 && onBell -> wakeOne(onBell); k--
			:: else -> break
			od }
		fi;
		if
		/* Fewer sleepers were there than were to be woken. */
		:: atomic { k > 0 && current == ringer(self) -> armed = false }
		:: atomic { k == 0 || current != ringer(self) -> skip }
		fi
	:: atomic { !armed -> skip }
	fi;
	k = 0
}

/* Mirrors acquisition.endTurn. */
inline endTurn() {
	if
	:: atomic { turn == self -> turn = NOBODY };
#ifndef BROKEN_TURN_ENDS_SILENTLY
		k = ALL;
		ring(k)
#endif
	:: atomic { turn != self -> skip }
	fi
}

/* Property: the free units are those that no seat has. */
inline unlock() {
#ifndef PLAIN
	assert(available == UNITS - seats);
#endif
	mu = NOBODY
}

/* Property: no two processes have the same unit. */
inline have() {
	has[self] = n;
	assert(all <= UNITS)
}

/* Mirrors the end of UndoCounts.Watch. */
inline watchLock() {
	atomic {
		if
		:: mu != NOBODY && mu != self && isDead(mu) -> goto awake
		:: mu != NOBODY && mu != self && !isDead(mu) -> watch = watch | bit(mu)
		:: else
		fi
	}
}

proctype user(byte self) {
	byte n = 1, seen, k, i, round, watch;
	bool ticket, releasing;
#ifdef HEAVY
	n = (self == 0 -> UNITS : 1);
#endif
	{
		true;
look: /* Mirrors tryAcquireOwned and tryAcquirePlain; seen is what they see first. */
		atomic {
			seen = available;
			if
			:: seen < n -> goto lacks
			:: else
			fi
		}
		atomic {
			if
			:: elsewhere -> goto lacks
			:: else
			fi
		}
#ifdef PLAIN
		atomic {
			if
			:: available == seen -> available = seen - n; have(); goto got
			:: else -> goto look
			fi
		}
lacks:		goto cannot;
#else
		goto lock;
lacks: /* Mirrors IsStale. */
		atomic {
			if
			:: mu != NOBODY && isDead(mu) -> goto lock
			:: else -> i = 0
			fi
		}
		do
		:: atomic { i < PROCS && isLost(i) -> i = 0; goto lock }
		:: atomic { i < PROCS && !isLost(i) -> i++ }
		:: i == PROCS -> break
		od;
		atomic { i = 0; goto cannot }

lock: /* Mirrors UndoCounts.Lock. A process that sees a death wakes all sleepers of that word. */
		if
		:: atomic { mu == NOBODY -> mu = self; goto locked }
		:: atomic { mu != NOBODY && isDead(mu) ->
			onLive[mu] = 0;
			mu = self;
#ifdef BROKEN_OWNER_DIED_IGNORED
			goto locked
#else
			goto recount
#endif
			}
		fi;
recount: /* Mirrors reclaim and recompute. */
		do
		:: atomic { someLost ->
			if
			:: isLost(0) -> i = 0
			:: isLost(1) -> i = 1
#if PROCS > 2
			:: isLost(2) -> i = 2
#endif
			fi;
			onLive[i] = 0;
#ifdef BROKEN_RECOUNT_ADDS
			k = seat[i];
#endif
			seat[i] = 0 }
#ifdef BROKEN_RECOUNT_ADDS
			atomic { available = available + k; k = 0 }
		:: atomic { !someLost -> break }
#else
		:: atomic { !someLost -> available = UNITS - seats; break }
#endif
		od;
		atomic { i = 0; k = ALL }
		ring(k);
locked:
		if
		:: releasing -> goto release
		:: atomic { !releasing && available < n && someLost -> goto recount }
		:: atomic { !releasing && (available >= n || !someLost) -> seen = available }
		fi;
		atomic {
			if
			:: seen < n || elsewhere -> goto unlockWithout
			:: else
			fi
		}
		seat[self] = seat[self] + n;
		available = seen - n;
		atomic { unlock(); have(); goto got }
unlockWithout:
		atomic { unlock() }
#endif

cannot:
		if
		:: ticket -> goto sleepOn
		:: atomic { !ticket ->
			heavy = heavy || n > 1
			}
		fi;
		if
#ifdef STARVE /* Mirrors turnWord.begin. Then it looks again. */
		:: atomic { turn == NOBODY || isDead(turn) -> turn = self; goto look }
#endif
#ifdef DAWDLE
		:: atomic { turn != NOBODY && turn != self -> turn = NOBODY; goto look }
#endif
		:: true
		fi;
		atomic { armed = true; current = self; ticket = true; goto look } /* Mirrors bell.arm. */

sleepOn: /* Mirrors acquisition.watchUnits. */
		atomic {
			ticket = false;
			watch = 0;
			if
#ifndef BROKEN_TURN_ENDED_MEANWHILE
			:: turn == NOBODY && seen >= n -> goto awake
#endif
#ifndef BROKEN_TURN_OF_DEAD
			:: turn != NOBODY && turn != self && isDead(turn) -> goto awake
#endif
#ifndef BROKEN_TURN_NOT_WATCHED
			:: turn != NOBODY && turn != self && !isDead(turn) -> watch = bit(turn)
#endif
			:: else
			fi
		}
#if !defined(PLAIN) && !defined(BROKEN_HOLDERS_NOT_WATCHED)
#ifdef BROKEN_LOCK_WATCHED_FIRST
		watchLock();
#endif
		do
		:: atomic { i < PROCS && isLost(i) -> goto awake }
		:: atomic { i < PROCS && !isLost(i) ->
			if
			:: seat[i] && i != self -> watch = watch | bit(i)
			:: else
			fi;
			i++ }
		:: i == PROCS -> break
		od;
#if !defined(BROKEN_LOCK_NOT_WATCHED) && !defined(BROKEN_LOCK_WATCHED_FIRST)
		watchLock();
#endif
#ifndef BROKEN_NO_LAST_LOOK
		atomic {
			if
			:: available != seen -> goto awake
			:: else
			fi
		}
#endif
#endif
		atomic { /* futex_waitv */
			i = 0;
			if
			:: current != self || (dead & watch) -> goto awake
			:: else
			fi;
			onBell = onBell | bit(self);
			do
			:: i < PROCS ->
				if
				:: watch & bit(i) -> onLive[i] = onLive[i] | bit(self)
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = 0
		}
#define off(i) ((watch & bit(i)) && !(onLive[i] & bit(self)))
		atomic {
			if
			:: !(onBell & bit(self)) || off(0) || off(1) orThird(off(2)) -> skip
#ifdef BACKSTOP
			/* In other states it would see nothing new. */
			:: deaths > 0 && (available >= n || someLost || (mu != NOBODY && isDead(mu))) -> skip
#endif
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; k = 1
#endif
			fi;
			onBell = onBell & ~bit(self);
			for (i : 0 .. PROCS - 1) {
				onLive[i] = onLive[i] & ~bit(self)
			}
			i = 0
		}
		atomic { /* Mirrors spread. */
			for (i : 0 .. PROCS - 1) {
				if
				:: (watch & bit(i)) && isDead(i) -> onLive[i] = 0
				:: else
				fi
			}
			i = 0
		}
		if
		:: atomic { k == 1 -> goto giveUp }
		:: k == 0
		fi;
awake:		atomic { i = 0; watch = 0; goto look }

giveUp: /* Mirrors the end of EventCount.await without success. It may have been woken in vain. */
		watch = 0;
#ifdef BROKEN_CANCEL_SWALLOWS_WAKE
		k = 0;
#else
		ring(k);
#endif
		endTurn();
		goto next;

got:
		atomic { seen = 0; ticket = false };
		endTurn();

#ifdef PLAIN /* Mirrors Release. */
		atomic { has[self] = 0; available = available + n; ringing = ringing | bit(self) }
#else
		releasing = true;
		goto lock;
release: /* Mirrors releaseOwned. */
		atomic { has[self] = 0; seat[self] = seat[self] - n }
		available = available + n;
		atomic { unlock(); releasing = false }
#endif
		/* Mirrors wake. */
#ifndef BROKEN_RELEASE_NO_RING
		if
		:: atomic { armed ->
			if
			:: heavy || turn != NOBODY -> k = ALL
			:: else -> k = n + SPARE
			fi };
			ring(k)
		:: atomic { !armed -> skip }
		fi;
#endif
		ringing = ringing & ~bit(self);
next:
		atomic {
			round++;
			if
			:: round < ROUNDS -> goto look
			:: else
			fi;
			finished = finished | bit(self);
			round = 0; seen = 0; n = 0; ticket = false
		}
	} unless {
		atomic {
			isDead(self) ->
			n = 0; seen = 0; k = 0; i = 0; round = 0; watch = 0;
			ticket = false; releasing = false
		}
	}
}

#ifdef PLAIN
#define mayDie(p) (!has[p] && !(ringing & bit(p)))
#else
#define mayDie(p) true
#endif
#define canDie(p) (deaths < DEATHS && !isDead(p) && !(finished & bit(p)) && mayDie(p))

/* A process is killed. The kernel marks its liveness word, and then wakes one sleeper of it. Until
 * its threads are gone they are in the queues and may swallow a wake-up, this one too. */
proctype kernel() {
	byte p;
end:
	do
	:: atomic {
		if
		:: canDie(0) -> p = 0
		:: canDie(1) -> p = 1
#if PROCS > 2
		:: canDie(2) -> p = 2
#endif
		fi;
		deaths++;
		dead = dead | bit(p);
		has[p] = 0
		}
		atomic {
			wakeOne(onLive[p]);
			onBell = onBell & ~bit(p);
			onLive[0] = onLive[0] & ~bit(p);
			onLive[1] = onLive[1] & ~bit(p);
#if PROCS > 2
			onLive[2] = onLive[2] & ~bit(p);
#endif
			p = 0
		}
	od
}

init {
	atomic {
		run user(0);
		run user(1);
#if PROCS > 2
		run user(2);
#endif
#if DEATHS > 0
		run kernel()
#endif
	}
}
