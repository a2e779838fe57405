/*
 * The readers-writer lock: the seats of processes, the bars that writers put up in them, turns, and
 * taking over from dead processes. It mirrors internal/lock/rwmutex; comments name the
 * functions. Each atomic block is one access to shared memory, and a process may be killed between
 * any two.
 *
 * Writers exclude each other by a lock, "writers". It is the mutex of mutex.pml. Here it is taken
 * in one step, and a process that waits for it sleeps until it can have it. The event counts are
 * checked by sleep.pml. Here each is the set of processes that have armed it, and a ring empties
 * the set.
 *
 * Configuration, each by -D:
 *
 *	WRITERS  processes that write, one goroutine each: the first ones
 *	READERS  processes that read: the others; each has one goroutine, the leader of its waiters
 *	SIBLING  the first reading process has one more goroutine, for the fast path and TryRLock only
 *	ROUNDS   how often each goroutine locks
 *	DEATHS   how many processes may be killed
 *	CANCELS  how many waits may be cancelled
 *	REPAIR   readers have a Repair function; without it they report a death
 *	TURNS    no turn is lost because of a slow machine: a reader waits for one writer only
 *	REPORT   writers may have no Repair function, and leave a lock that waits for repair as it is
 *	BROKEN_* one mistake each, which spin must find
 */

#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef READERS
#define READERS 1
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

#define PROCS  (WRITERS + READERS)
#define FIRST  WRITERS /* the first reading process */
#define SIB    PROCS   /* its other goroutine */
#define bit(i) (1 << (i))

/* Shared memory. W is writers: an owner id, 0 free. */
#define SUSPECT  8
#define owner(w) ((w) & 7)
#define OPEN    0
#define CLOSING 1
#define OWNED   2
byte W, state;
bool barred[PROCS], waits[PROCS]; /* the seats; each is one word with its count */
byte count[PROCS];
bool drained; /* a writer has armed it */
byte opened;  /* the readers that have armed it */

/* For each process: its leader waits, and another process has let it in. */
bool waiting[PROCS], admitted[PROCS];

byte dead, deaths, cancels, done;
#define isDead(p)    (dead & bit(p))
#define isForsaken() (owner(W) == 0 || isDead(owner(W) - 1))
/* A dead owner has left the lock, and no process has repaired it. */
#define left         (W == SUSPECT || owner(W) != 0 && isDead(owner(W) - 1))

/* Only the properties use these. The protocol never reads them. */
byte writing; /* the process that has the lock for writing, from 1 */
byte reading; /* number of goroutines that have it for reading */
bool lost;    /* a writer died while the state was owned, and no repair has come since */
bool damaged; /* the same, and its Lock had returned */
#ifdef TURNS
byte passed[PROCS]; /* number of writers that got the lock while this process waited for its turn */
#endif

inline enterWrite(isTold) {
	assert(writing == 0 && reading == 0);
#ifdef TURNS
	for (i : 0 .. PROCS - 1) {
		if
		:: waits[i] -> passed[i]++; assert(passed[i] < 2)
		:: else
		fi
	}
	i = 0;
#endif
	assert(isTold || !damaged);
	assert(!(isTold) || lost);
	writing = me
}

inline enterRead(g) {
	assert(writing == 0 && !damaged);
	reading = reading | bit(g)
}

/* The seat of a dead process does not count: isDead. */
inline bury(p) { count[p] = 0; waits[p] = false; barred[p] = false }

/* Mirrors open. The writer leaves with the store of the state. */
inline open() {
#ifndef BROKEN_SEATS_OPEN_FIRST
	atomic { state = OPEN; writing = (writing == me -> 0 : writing) };
#endif
	i = 0;
	do
	:: atomic { i < PROCS -> barred[i] = false; i++ }
	:: atomic { i == PROCS -> i = 0; break }
	od;
#ifdef BROKEN_SEATS_OPEN_FIRST
	atomic { state = OPEN; writing = (writing == me -> 0 : writing) };
#endif
#ifndef BROKEN_OPEN_NO_RING
	atomic { opened = 0 }
#endif
}

/* Mirrors closeAll, with the time for turns over or not. */
inline shut() {
	i = 0;
	nobody = true;
	do
	:: atomic {
#ifdef BROKEN_NO_TURNS
		false ->
#else
		i < PROCS && waits[i] && !barred[i] && !over && !isDead(i) ->
#endif
		nobody = false;
		i++
	   }
	:: atomic {
#ifdef BROKEN_NO_TURNS
		i < PROCS ->
#else
		i < PROCS && !(waits[i] && !barred[i] && !over && !isDead(i)) ->
#endif
#ifdef BROKEN_COUNT_BEFORE_BAR
		c = count[i]
	   };
	   atomic {
		barred[i] = true
#else
		if
		:: over && !barred[i] -> waits[i] = false
		:: else
		fi;
		barred[i] = true;
		c = count[i]
#endif
	   };
	   atomic {
		if
#ifndef BROKEN_DEAD_READERS_COUNT
		:: c > 0 && isDead(i) -> bury(i)
		:: c > 0 && !isDead(i) -> nobody = false
#else
		:: c > 0 -> nobody = false
#endif
		:: c == 0
		fi;
		c = 0;
		i++
	   }
	:: atomic { i == PROCS -> i = 0; break }
	od
}

/* A process that this one waits for has died, or has changed a word that this one looks at. Only
 * events that wake a sleeper count. */
#define counts(p) (count[p] > 0 || (waits[p] && !barred[p]))

proctype writer(byte p) {
	byte me = p + 1, i, c, round, watched;
	bool told, nobody, over;
	{
		true;
lock: /* Mirrors LockToRepair. */
		atomic {
			if
			:: W == 0 -> W = me
			:: left -> W = me | SUSPECT; told = true
#ifdef REPORT
			:: left && state == OWNED -> assert(lost); goto released
#endif
			fi
		};
		if
		:: atomic { told && state == OWNED -> enterWrite(true); goto inside }
		:: atomic { told && state != OWNED -> W = me; told = false };
			open()
		:: !told
		fi;
		over = false;
		shut();
		if
		:: nobody -> goto owned
		:: else
		fi;
		atomic { state = CLOSING };
look:
		atomic { drained = true };
		shut();
		if
		:: nobody -> goto owned
		:: else
		fi;
		/* Mirrors watchReaders. */
		atomic {
			for (i : 0 .. PROCS - 1) {
				if
				:: counts(i) -> watched = watched | bit(i)
				:: else
				fi
			}
			i = 0;
#ifndef BROKEN_LAST_LEFT_UNSEEN
			if
			:: watched == 0 -> goto look
			:: else
			fi
#endif
		};
asleep:
		atomic {
			if
			:: !drained
			:: watched & dead
#ifndef TURNS
			:: !over && (waits[0] && !barred[0] || waits[PROCS - 1] && !barred[PROCS - 1]
#if PROCS > 2
				|| waits[1] && !barred[1]
#endif
				) -> over = true /* five milliseconds have passed */
#endif
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; watched = 0; goto leave
#endif
			fi;
			watched = 0;
			goto look
		};
owned:
#ifndef BROKEN_NOT_OWNED
		atomic { state = OWNED };
#endif
		atomic { enterWrite(false) };
inside:
		if
		:: told ->
			if
			/* It repairs the state and marks it consistent, or unlocks without a repair. */
			:: atomic { W = me; told = false; lost = false; damaged = false }
			:: atomic { W = SUSPECT; writing = 0; told = false };
				atomic { opened = 0; goto released }
			fi
		:: else
		fi;
leave: /* Mirrors Unlock, and the end of a wait. */
		open();
		atomic { W = 0 };
released:
		atomic {
			round++;
			over = false;
			if
			:: round < ROUNDS -> goto lock
			:: else
			fi
		};
through:
		atomic { done = done | bit(p); round = 0; told = false; nobody = false }
	} unless {
		atomic { isDead(p) -> i = 0; c = 0; round = 0; watched = 0; told = false; nobody = false; over = false }
	}
}

/* Mirrors tellDrained: the reader that makes the count of a barred seat 0 tells the writer. */
inline uncount(p) {
	atomic {
		count[p]--;
		if
		:: barred[p] && count[p] == 0 -> ring = true
		:: else -> ring = false
		fi
	};
#ifndef BROKEN_LEFT_NO_RING
	if
	:: atomic { ring -> drained = false; ring = false }
	:: !ring
	fi
#endif
}

/* Mirrors enter, for a seat that is open: it lets in n readers, and the waiters of this process. */
inline enter(n) {
	count[p] = count[p] + n + waiting[p];
	admitted[p] = admitted[p] || waiting[p];
	waiting[p] = false;
	ring = waits[p];
	waits[p] = false;
#ifdef TURNS
	passed[p] = 0
#endif
}

proctype reader(byte p) {
	byte me = p + 1, i, round, w;
	bool ring;
	{
		true;
lock: /* Mirrors RLock: the fast path. */
		atomic {
			count[p]++;
			if
			:: !barred[p] && !waits[p] -> enterRead(p); goto inside
			:: else
			fi
		};
		/* Mirrors RLock of internal/lock/rwmutex. */
		atomic {
			if
			:: !barred[p] -> enterRead(p); goto inside
			:: else
			fi
		};
		uncount(p);
try: /* Mirrors tryEnter. */
		atomic {
			if
			:: !barred[p] -> enter(1); enterRead(p); goto tell
			:: else
			fi
		};
		atomic {
			if
			:: isForsaken() -> goto inherit
			:: else -> waiting[p] = true; admitted[p] = false; goto look
			fi
		};

inherit:
		atomic {
			if
			:: W == 0 -> W = me
#if defined(REPAIR) || defined(BROKEN_READER_IGNORES_OWNED)
			:: left -> W = me | SUSPECT
#else
			:: left && state != OWNED -> W = me | SUSPECT
			:: left && state == OWNED -> assert(lost); goto released /* told, without the lock */
#endif
			:: else -> waiting[p] = true; admitted[p] = false; goto look
			fi
		};
		if
		:: atomic { W & SUSPECT && state != OWNED -> W = me }
#ifdef BROKEN_READER_IGNORES_OWNED
		:: atomic { W & SUSPECT && state == OWNED -> W = me }
#elif defined(REPAIR)
		:: atomic { W & SUSPECT && state == OWNED -> assert(lost); W = me; lost = false; damaged = false }
#endif
		:: !(W & SUSPECT)
		fi;
		open();
		atomic { enter(1); enterRead(p) };
		atomic { W = 0; goto tell };

look: /* Mirrors look, for the leader. */
		atomic {
			if
#ifndef BROKEN_LEADER_NOT_TOLD
			:: admitted[p] -> admitted[p] = false; enterRead(p); goto inside
#endif
			:: !admitted[p] && !barred[p] -> enter(0); admitted[p] = false; enterRead(p); goto tell
#ifdef BROKEN_LEADER_NOT_TOLD
			:: admitted[p] && barred[p]
			:: admitted[p] && !barred[p] -> enter(0); admitted[p] = false; enterRead(p); goto tell
#endif
			:: !admitted[p] && barred[p] -> waits[p] = true
			fi
		};
		atomic {
			if
			:: opened & bit(p)
			:: !(opened & bit(p)) -> opened = opened | bit(p); goto look /* arm, and look again */
			fi
		};
		/* Mirrors watchWriter and WatchHolder. */
		atomic {
			if
			:: isForsaken() && !admitted[p] -> opened = opened & ~bit(p); waiting[p] = false; goto try
			:: isForsaken() && admitted[p] -> goto look
			:: else -> w = owner(W)
			fi
		};
		atomic {
			if
			:: !(opened & bit(p))
#ifndef BROKEN_NO_WATCH
			:: isDead(w - 1) -> opened = opened & ~bit(p)
#endif
#if CANCELS > 0
			:: cancels < CANCELS && !admitted[p] -> cancels++; waiting[p] = false; w = 0; goto forgo
#endif
			fi;
			w = 0;
			goto look
		};
#if CANCELS > 0
forgo:
		atomic { waits[p] = false; opened = opened & ~bit(p) };
		atomic { drained = false; goto released };
#endif

tell: /* Mirrors enter: the writer that let the seat have its turn. */
		if
		:: atomic { ring -> drained = false; ring = false }
		:: !ring
		fi;
inside:
		atomic { reading = reading & ~bit(p) };
		uncount(p);
released:
		atomic {
			round++;
			if
			:: round < ROUNDS -> goto lock
			:: else
			fi
		};
through:
		atomic { done = done | bit(p); round = 0 }
	} unless {
		atomic { isDead(p) -> i = 0; round = 0; w = 0; ring = false }
	}
}

#ifdef SIBLING
/* Another goroutine of the first reading process: it tries, and lets in the leader, too. */
proctype sibling() {
	byte p = FIRST, round;
	bool ring;
	{
		true;
lock:
		atomic {
			if
			:: !barred[p] -> enter(1); enterRead(SIB)
			:: else -> goto released
			fi
		};
		if
		:: atomic { ring -> drained = false; ring = false }
		:: !ring
		fi;
		atomic { reading = reading & ~bit(SIB) };
		uncount(p);
released:
		atomic {
			round++;
			if
			:: round < ROUNDS -> goto lock
			:: else
			fi;
			round = 0
		}
	} unless {
		atomic { isDead(p) -> round = 0; ring = false }
	}
}
#endif

#if DEATHS > 0
#define canDie(p) (deaths < DEATHS && !isDead(p) && !(done & bit(p)))

/* A process is killed. The sleepers of its liveness word wake up. */
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
#if PROCS > 3
		:: canDie(3) -> p = 3
#endif
		fi;
		deaths++;
		dead = dead | bit(p);
		lost = lost || (owner(W) == p + 1 && state == OWNED);
		damaged = damaged || writing == p + 1;
		writing = (writing == p + 1 -> 0 : writing);
		reading = reading & ~bit(p);
#ifdef SIBLING
		reading = (p == FIRST -> reading & ~bit(SIB) : reading);
#endif
		p = 0
	   }
	od
}
#endif

init {
	byte p;
	atomic {
		for (p : 0 .. PROCS - 1) {
			barred[p] = true; /* as it is claimed */
			if
			:: p < WRITERS -> run writer(p)
			:: else -> run reader(p)
			fi
		}
		p = 0;
#ifdef SIBLING
		run sibling();
#endif
#if DEATHS > 0
		run kernel()
#endif
	}
}
