/*
 * The world of lock.pml: configuration, shared memory, store buffers, the
 * kernel with its futex queues, death, and the properties as assertions.
 *
 * Configuration, each by -D:
 *
 *	PROCS      processes, one leader each: 2 to 4
 *	ROUNDS     calls of Lock by each goroutine
 *	DEATHS     how many processes may be killed
 *	CANCELS    how many waits may be cancelled
 *	ENOUGH     sleepers that an Unlock wakes: 1 or 2
 *	STARVE     leaders may ask to be handed the lock
 *	DAWDLE     an offer may be taken for one that is not taken up in time
 *	BACKSTOP   a sleeper may look again by itself once somebody has died
 *	LATE       threads of a dead process run on until a membarrier
 *	CLOSE      process 0 closes at any time and detaches; it has a second goroutine
 *	BROKEN_*   one mistake each, which spin must find
 */

#ifndef PROCS
#define PROCS 2
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
#ifndef ENOUGH
#define ENOUGH 2
#endif

/* The lock's word. Processes count from 0, their owner ids from 1. */
#define UNRECOVERABLE 7
#define SUSPECT       8
#define HANDED        16
#define owner(w)      ((w) & 7)
#define ownerSlot(w)  (owner(w) - 1)

/* Goroutines by number, and sets of them. */
#define SIB    4 /* the second goroutine of process 0 */
#define bit(i) (1 << (i))
#ifdef CLOSE
#define goroutinesOf(p) (bit(p) | (((p) == 0) << SIB))
#else
#define goroutinesOf(p) bit(p)
#endif

/* The liveness of each process; FREE: it has detached. */
#define FREE  0
#define ALIVE 1
#define DIED  2

/* Shared memory. */
byte W; /* the word */
byte G; /* starving */
byte live[PROCS] = ALIVE;

/*
 * The bell. No value of it ever comes back, for the turn moves on. So all that a
 * goroutine can learn by comparing it with a value it knows is whether it has
 * changed since: known is the set of those for whom it has not.
 */
bool armed, fenced;
byte known;

/* Store buffers: which goroutines have a W = 0 that nobody else sees yet. */
byte bufW;
#ifdef CLOSE
/* The same for stores of 1 and 0 to releasing. */
byte bufR1, bufR0;
bool releasing;
#endif

/* The kernel: who is queued on the bell, on G and on each liveness word. */
byte onB, onG, onL[PROCS];

/* Processes: killed but not stopped yet, stopped. Goroutines: through with their rounds. */
byte late, gone, done;

byte deaths, cancels; /* how much of the budgets is used up */
bool closed;          /* process 0: Close was called */
#ifdef CLOSE
#define closing (closed && p == 0)
#define orphan  (live[p] == FREE) /* a goroutine that runs on after detach */
#else
#define closing false
#define orphan  false
#endif

/* What the properties speak of. The protocol never reads these. */
byte hold;     /* goroutines that hold the lock */
bool tainted;  /* a holder died, and nobody has marked the lock consistent since */
bool poisoned; /* unlocked without that */
byte gaveUp;   /* processes that have withdrawn a request, or were found to dawdle */

/*
 * The CAS from word from to word to makes this goroutine the holder. Properties:
 * nobody else is; it is told of a death if and only if there was one; nobody
 * locks a poisoned lock; an offer is taken by its addressee, or it is void.
 */
inline own(from, to) {
	assert(hold == 0);
	assert(!poisoned);
	assert(!((from) & HANDED) || owner(from) == me || live[ownerSlot(from)] != ALIVE || (gaveUp & bit(ownerSlot(from))));
	if
	:: orphan -> tainted = true /* detach was faster: whoever comes next is told of a death */
	:: else ->
		assert((((to) & SUSPECT) != 0) == tainted);
		hold = hold | bit(self)
	fi
}

/* The write that gives a consistent lock away. Property: nothing suspect is passed on. */
inline disownConsistent() {
	if
	:: orphan -> tainted = false /* it still owned the word, so its work is complete */
	:: else -> assert(!tainted && hold == bit(self))
	fi;
	hold = hold & ~bit(self)
}

/* A store reaches memory. Property: a plain store changes only a word that its process owns. */
inline drainW(gr, pr) {
	if
	:: bufW & bit(gr) -> assert(W == (pr) + 1); W = 0; bufW = bufW & ~bit(gr)
	:: else
	fi
}

/* All stores of goroutine i of process p reach memory: what a locked instruction does first. */
inline flush(gor, proc) {
	drainW(gor, proc);
#ifdef CLOSE
	if
	:: bufR0 & bit(gor) -> releasing = false
	:: else ->
		if
		:: bufR1 & bit(gor) -> releasing = true
		:: else
		fi
	fi;
	bufR1 = bufR1 & ~bit(gor);
	bufR0 = bufR0 & ~bit(gor)
#endif
}

inline flushAll() {
	flush(0, 0);
	flush(1, 1);
#if PROCS > 2
	flush(2, 2);
#endif
#if PROCS > 3
	flush(3, 3);
#endif
#ifdef CLOSE
	flush(SIB, 0)
#endif
}

#ifdef CLOSE
/* A plain store to releasing by goroutine self; only process 0 closes. */
inline storeReleasing(to) {
	if
	:: p != 0
	:: p == 0 ->
		if
		:: bufR1 & bit(self) -> releasing = true
		:: bufR0 & bit(self) -> releasing = false
		:: true /* the earlier store merges into this one */
		fi;
		if
		:: to -> bufR1 = bufR1 | bit(self); bufR0 = bufR0 & ~bit(self)
		:: else -> bufR0 = bufR0 | bit(self); bufR1 = bufR1 & ~bit(self)
		fi
	fi
}
#endif

/* Process p executes nothing any more, or nothing that counts. */
inline disown(whose) {
	tainted = tainted || (hold & goroutinesOf(whose));
	hold = hold & ~goroutinesOf(whose)
}

inline stopLate(lateOne) {
	if
	:: late & bit(lateOne) -> disown(lateOne); gone = gone | bit(lateOne); late = late & ~bit(lateOne)
	:: else
	fi
}

/* Drains every store buffer, and stops every thread that was killed. */
inline membarrier() {
	flushAll();
	stopLate(0);
	stopLate(1);
#if PROCS > 2
	stopLate(2);
#endif
#if PROCS > 3
	stopLate(3)
#endif
}

/* FUTEX_WAKE of one: any of the queue, for the order is nobody's promise. */
inline wakeOne(queue, count) {
	if
	:: queue & bit(0) -> queue = queue & ~bit(0); count++
	:: queue & bit(1) -> queue = queue & ~bit(1); count++
#if PROCS > 2
	:: queue & bit(2) -> queue = queue & ~bit(2); count++
#endif
#if PROCS > 3
	:: queue & bit(3) -> queue = queue & ~bit(3); count++
#endif
	:: queue == 0
	fi
}

#ifdef CLOSE
#define canDrainW(i) ((bufW & ~bufR1) & bit(i))
#else
#define canDrainW(i) (bufW & bit(i))
#endif

/* Store buffers drain at any time. A release store keeps behind earlier stores; later ones may overtake it. */
proctype memory() {
end:
	do
	:: atomic { canDrainW(0) -> drainW(0, 0) }
	:: atomic { canDrainW(1) -> drainW(1, 1) }
#if PROCS > 2
	:: atomic { canDrainW(2) -> drainW(2, 2) }
#endif
#if PROCS > 3
	:: atomic { canDrainW(3) -> drainW(3, 3) }
#endif
#ifdef CLOSE
	:: atomic { canDrainW(SIB) -> drainW(SIB, 0) }
	:: atomic { bufR1 & bit(0) -> bufR1 = bufR1 & ~bit(0); releasing = true }
	:: atomic { bufR1 & bit(SIB) -> bufR1 = bufR1 & ~bit(SIB); releasing = true }
	:: atomic { (bufR0 & ~bufR1) & bit(0) -> bufR0 = bufR0 & ~bit(0); releasing = false }
	:: atomic { (bufR0 & ~bufR1) & bit(SIB) -> bufR0 = bufR0 & ~bit(SIB); releasing = false }
#endif
	od
}
inline killed() {
	flush(p, p);
#ifdef CLOSE
	if
	:: p == 0 -> flush(SIB, 0)
	:: else
	fi;
#endif
	stopLate(p)
}

#define canDie(p) (deaths < DEATHS && !((late | gone) & bit(p)) && (done & goroutinesOf(p)) != goroutinesOf(p))

/*
 * A process is killed. The kernel walks its robust list: first the word, then
 * one wake. Until its threads are gone they are in the queues and may swallow
 * a wake-up, this one too. A store that was executed becomes visible.
 */
proctype kernel() {
	byte p, k;
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
		late = late | bit(p);
		if
		:: live[p] == ALIVE -> live[p] = DIED
		:: else
		fi;
#ifndef LATE
		killed()
#endif
		}
		atomic {
			if
			:: live[p] == DIED -> wakeOne(onL[p], k)
			:: else
			fi
#ifdef LATE
		}
		atomic {
			killed()
#endif
			;
			onB = onB & ~bit(p);
			onG = onG & ~bit(p);
			for (k : 0 .. PROCS - 1) {
				onL[k] = onL[k] & ~bit(p)
			}
			p = 0;
			k = 0
		}
	od
}

