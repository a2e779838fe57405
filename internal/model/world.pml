/*
 * The world of mutex.pml: configuration, shared memory, the kernel with its
 * futex queues, death, and the properties as assertions.
 *
 * Configuration, each by -D:
 *
 *	PROCS       processes attached from the start, one leader each: 2 to 4
 *	ROUNDS      calls of Lock by each goroutine
 *	DEATHS      how many processes may be killed
 *	CANCELS     how many waits may be cancelled
 *	WAKES       sleepers woken by an unlock that hands nothing over: 1 or 2
 *	DAWDLE      a waiter may take a lock that was handed to a living process, which is slow
 *	BACKSTOP    a sleeper may look again by itself after a death
 *	SPURIOUS    a sleeper may look again by itself at any time
 *	STARVE      leaders may starve: G and HANDED are in use
 *	SIBLING     process 0 has a second goroutine, on the fast path only
 *	REUSE       processes detach at their end, and a newcomer claims a slot; PROCS at most 3
 *	CLOSE       process 0 detaches at any time
 *	BYSTANDER   a process waits for another lock that process 0 holds
 *	LATE        threads of a dead process run on until a membarrier
 *	OWNERS_DIE  only processes that own the lock are killed
 *	BROKEN_*    one mistake each, which spin must find
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
#ifndef WAKES
#define WAKES 2
#endif

/* The lock word W. */
#define OWNER    7 /* owner id, 0 free */
#define SUSPECT  8
#define HANDED   16
#define owner(w) ((w) & OWNER)

/* An owner id is a slot and an epoch. Two epochs do, for a slot changes hands once. */
#define idOf(slot, e) (1 + (slot) + PROCS * (e))
#define slotOf(id)    (((id) - 1) % PROCS)
#define epochOf(id)   (((id) - 1) / PROCS)

/* The liveness half of a slot. All living keepers have one thread id: the worst case. */
#define FREE  0
#define ALIVE 1
#define DIED  2

#ifdef BROKEN_EPOCH
#define isDead(id) (live[slotOf(id)] != ALIVE)
#else
#define isDead(id) (live[slotOf(id)] != ALIVE || epoch[slotOf(id)] != epochOf(id))
#endif

/* Goroutines by number, and sets of them. */
#define SIB    4
#define BY     5
#define bit(i) (1 << (i))
#ifdef REUSE
#define NEWCOMER PROCS
#define LEADERS  (PROCS + 1)
#else
#define LEADERS PROCS
#endif
#ifdef SIBLING
#define goroutinesOf(p) (bit(p) | (((p) == 0) << SIB))
#else
#define goroutinesOf(p) bit(p)
#endif

/* Shared memory. */
byte W, G;
byte live[PROCS] = ALIVE;
byte epoch[PROCS];

/*
 * The bell. Every turn of it is unique, so the word equals what a goroutine remembers of it
 * exactly while that goroutine was the last to move it. current has that goroutine:
 * a leader that took a ticket, or ringer(i) for one that rang.
 */
#define NONE      15
#define ringer(i) (8 + (i))
bool armed, strictly, fenced;
byte current = NONE;

/* The leaders that have asked for fences at the present turn. Their compare-and-swaps succeed until
 * the turn moves on. */
byte asked;
#define moved(by) current = by; asked = 0 /* the turn moves on */

/*
 * The store buffer of each goroutine, drained in order, at any time: the plain
 * stores of TryUnlock.
 */
#define CLEAR    1 /* releasing = 0, by a goroutine that has just locked */
#define ANNOUNCE 2 /* releasing = 1 */
#define RELEASE  4 /* W = 0 */
#define SETTLED  8 /* releasing = 0, after the release: BROKEN_RELEASING_CLEARED_LATE */
byte buffer[5];
bool releasing; /* shared by the goroutines of process 0 */
#define ofZero(i) ((i) == 0 || (i) == SIB)

/* The kernel: the goroutines that are queued on the bell, on G, and on each liveness word. */
byte onBell, onG, onLive[PROCS];

/* Sets of goroutines: killed but not stopped yet; stopped; at the end of their rounds. */
byte late, gone, done;

byte deaths, cancels; /* deaths and cancels so far */
byte newSlot;         /* the slot of the newcomer, from 1; 0 while it has none */
bool closed;          /* process 0: Close was called */
bool detached;        /* process 0: and has detached */

/* Close of process 0 has begun, as each of its goroutines sees it. */
#ifdef CLOSE
#define closing (closed && (self == 0 || self == SIB))
#define orphan  (detached && (self == 0 || self == SIB)) /* it runs on after detach */
#else
#define closing false
#define orphan  false
#endif

/* Only the properties use these. The protocol never reads them. */
byte hold;     /* number of goroutines that own the lock */
byte crit;     /* number of owners that have returned from Lock */
bool lost;     /* an owner died, and no repair has come since */
bool damaged;  /* the same, and its Lock had returned */

/*
 * The CAS from word from makes this goroutine the owner. Properties: there is no
 * other owner; HANDED goes to the leader of the addressee, or the addressee is dead.
 */
inline own(from) {
	assert(hold == 0);
	assert(!((from) & HANDED) || isDead(owner(from)) || (owner(from) == me && self != SIB));
	if
	:: orphan -> lost = true /* it has detached meanwhile; entered sees that Close has begun */
	:: else -> hold = hold | bit(self)
	fi
}

/* A goroutine that has locked clears releasing, which the previous unlock has left set. */
inline clearReleasing() {
#if defined(CLOSE) && !defined(BROKEN_RELEASING_CLEARED_LATE)
	buffer[self] = buffer[self] | CLEAR
#else
	skip
#endif
}

/* Lock returns. Properties: the caller owns the lock, and is told of a death if there was one. */
inline enter(isTold) {
	assert(hold == bit(self));
	assert(isTold || !damaged);
	assert(!(isTold) || lost);
	crit = crit | bit(self)
}

/* The CAS that gives the lock away, in whatever state. */
inline leave() {
	hold = hold & ~bit(self);
	crit = crit & ~bit(self)
}

/* The same as consistent. Property: no damaged state is passed on. */
inline leaveConsistent() {
	if
	:: orphan -> lost = false; damaged = false /* it still owned W, so its work is complete */
	:: else
	fi;
	assert(!damaged);
	leave()
}

/* The oldest store of goroutine i reaches memory. Property: it frees no lock of another owner. */
inline drain(i) {
	if
	:: buffer[i] & CLEAR ->
		buffer[i] = buffer[i] & ~CLEAR;
		releasing = releasing && !ofZero(i)
	:: (buffer[i] & (CLEAR | ANNOUNCE)) == ANNOUNCE ->
		buffer[i] = buffer[i] & ~ANNOUNCE;
		releasing = releasing || ofZero(i)
	:: (buffer[i] & (CLEAR | ANNOUNCE | RELEASE)) == RELEASE ->
		assert(hold == 0);
		buffer[i] = buffer[i] & ~RELEASE;
		W = 0
	:: buffer[i] == SETTLED ->
		buffer[i] = 0;
		releasing = releasing && !ofZero(i)
	:: else
	fi
}

/* All stores of goroutine i reach memory in order: a locked instruction, or a membarrier. */
inline flush(i) {
	if
	:: buffer[i] -> drain(i); drain(i); drain(i); drain(i)
	:: else
	fi
}

inline flushAll() {
	flush(0); flush(1);
#if LEADERS > 2
	flush(2);
#endif
#if LEADERS > 3
	flush(3);
#endif
#ifdef SIBLING
	flush(SIB)
#endif
}

/* The goroutines in set own no lock any more: they have died, or their process has detached. */
inline disown(set) {
	lost = lost || (hold & (set));
	damaged = damaged || (crit & (set));
	hold = hold & ~(set);
	crit = crit & ~(set)
}

/* A membarrier: every buffer drains, and no killed thread executes a further instruction. */
inline membarrier() {
	flushAll();
	disown(late);
	gone = gone | late;
	late = 0
}

/* FUTEX_WAKE of one: any sleeper of the queue, as the kernel promises no order. */
inline wakeOne(queue) {
	if
	:: queue & bit(0) -> queue = queue & ~bit(0)
	:: queue & bit(1) -> queue = queue & ~bit(1)
#if LEADERS > 2
	:: queue & bit(2) -> queue = queue & ~bit(2)
#endif
#if LEADERS > 3
	:: queue & bit(3) -> queue = queue & ~bit(3)
#endif
#ifdef BYSTANDER
	:: queue & bit(BY) -> queue = queue & ~bit(BY)
#endif
	:: queue == 0
	fi
}

#ifdef OWNERS_DIE
#define mayDie(p) (hold & goroutinesOf(p))
#else
#define mayDie(p) true
#endif
#define canDie(p) (deaths < DEATHS && mayDie(p) && !((late | gone) & bit(p)) && (done & goroutinesOf(p)) != goroutinesOf(p))

#ifdef REUSE
#define claimed(p) ((p) == NEWCOMER)
#else
#define claimed(p) 0
#endif

/*
 * A process is killed. The kernel walks its robust list: first the word, then
 * one wake. Until its threads have ended they are in the queues and may take
 * a wake-up, even this one.
 */
proctype kernel() {
	byte p, s;
end:
	do
	:: atomic {
		if
		:: canDie(0) -> p = 0; s = 0
		:: canDie(1) -> p = 1; s = 1
#if PROCS > 2
		:: canDie(2) -> p = 2; s = 2
#endif
#if PROCS > 3
		:: canDie(3) -> p = 3; s = 3
#endif
#ifdef REUSE
		:: newSlot && canDie(NEWCOMER) -> p = NEWCOMER; s = newSlot - 1
#endif
		fi;
		deaths++;
		late = late | goroutinesOf(p);
		if
		:: live[s] == ALIVE && epoch[s] == claimed(p) -> live[s] = DIED
		:: else -> s = PROCS /* it had detached */
		fi;
#ifndef LATE
		membarrier()
#endif
		}
		atomic {
			if
			:: s < PROCS -> wakeOne(onLive[s])
			:: else
			fi
#ifdef LATE
		}
		atomic {
			membarrier()
#endif
			;
			onBell = onBell & ~bit(p);
			onG = onG & ~bit(p);
			for (s : 0 .. PROCS - 1) {
				onLive[s] = onLive[s] & ~bit(p)
			}
			p = 0;
			s = 0
		}
	od
}

/* The store buffers drain at some time. */
proctype memory() {
end:
	do
	:: atomic { buffer[0] -> drain(0) }
	:: atomic { buffer[1] -> drain(1) }
#if LEADERS > 2
	:: atomic { buffer[2] -> drain(2) }
#endif
#if LEADERS > 3
	:: atomic { buffer[3] -> drain(3) }
#endif
#ifdef SIBLING
	:: atomic { buffer[SIB] -> drain(SIB) }
#endif
	od
}
