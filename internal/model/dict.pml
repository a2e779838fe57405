/*
 * One key of a Dict: a slot that names one of two records, of which the other one is used again,
 * and the version of the bucket. It stands for a record with two places and its state, too.
 *
 * One atomic block is one access to shared memory together with the local decision that follows
 * from it. Between two blocks any other process may run, and a writer may die. "Mirrors f" names
 * the Go function that the next steps mirror, in internal/dict.
 *
 * Configuration, each by -D:
 *
 *	WRITERS   processes that set the key: 1 or 2
 *	ROUNDS    how often each does
 *	READS     how often the reader reads
 *	DEATHS    how many writers may be killed
 *	BROKEN_*  one mistake each, which spin must find
 *
 * Memory is as weak as that of arm64. A store of a writer may become visible late, in any order
 * with others; a release comes after all stores before it, and a fence keeps all stores behind it
 * after those before it. The reader's loads of a record are done in any order; an acquire comes
 * before all loads behind it, and the fence before the last look keeps the loads of the record
 * before it. When a process dies all of its stores become visible: the kernel has left its threads
 * by the time at which another process takes the lock.
 *
 * The lock is the mutex of mutex.pml. Taking it is one step here.
 */

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef READS
#define READS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define NOBODY 7

/* Shared memory. A record has two halves, which are equal when it is whole. */
byte slot;       /* the record that is named: 0 or 1 */
byte version;
byte low[2], high[2];
byte owner = NOBODY;
bool orphaned;   /* the owner died, and its stripe was not mended */

/* Ghosts. */
byte value;      /* of the key, as the slot names it */
byte next = 1;   /* the next value: no two are the same */
byte seen;       /* values that the key had since the reader began: a set */
byte acknowledged;
byte deaths;
#define bit(v) (1 << (v))

/* Stores of the writer that holds the lock which are not visible yet. */
bool lateLow, lateHigh, lateVersion, lateSlot;
byte lateRecord, lateValue, lateTo;

inline show_low()     { low[lateRecord] = lateValue; lateLow = false }
inline show_high()    { high[lateRecord] = lateValue; lateHigh = false }
inline show_version() { version++; lateVersion = false }
inline show_slot() {
	slot = lateTo; lateSlot = false;
	value = lateValue; seen = seen | bit(value)
}

/* A store becomes visible whenever it likes. */
active proctype Memory() {
end:	do
	:: atomic { lateLow -> show_low() }
	:: atomic { lateHigh -> show_high() }
	:: atomic { lateVersion -> show_version() }
	:: atomic { lateSlot -> show_slot() }
	od
}

/* What a release, the unlock, and a death wait for. */
#define recordVisible  (!lateLow && !lateHigh)
#define allVisible     (recordVisible && !lateVersion && !lateSlot)

/* Dies holds at each point of a change at which a writer may be killed. */
#define dies \
	:: atomic { deaths < DEATHS -> deaths++; orphaned = true; goto killed }

/* Mirrors hold.set with hold.name and bucket.advance. */
proctype Writer(byte me) {
	byte round, mine, old;
	do
	:: round < ROUNDS ->
		atomic { owner == NOBODY && allVisible -> owner = me };
		/* Mirrors hold.mendBuckets. */
		if
		:: orphaned ->
#ifndef BROKEN_MEND_NO_VERSION
			atomic { version++ };
#endif
			orphaned = false
		:: else
		fi;
again:
		/* The record, which no slot names. */
		atomic {
			old = slot; mine = next; next++;
			lateRecord = 1 - old; lateValue = mine;
			lateLow = true; lateHigh = true
		};
		do
		:: break
		dies
		od;
		/* SYNC: slot: a release, after the record. */
#ifdef BROKEN_SLOT_EARLY
		atomic { lateTo = 1 - old; lateSlot = true };
#else
		atomic { recordVisible -> lateTo = 1 - old; lateSlot = true };
#endif
		do
		:: break
		dies
		od;
		/* SYNC: version: a release, after the slot. */
#ifndef BROKEN_NO_VERSION
		atomic { !lateSlot && recordVisible -> lateVersion = true };
		do
		:: break
		dies
		od;
#endif
		round++;
		/* The fence behind the version: the next record is written after it. */
#ifdef BROKEN_NO_STORE_FENCE
		if
		:: atomic { round < ROUNDS && !lateSlot && recordVisible -> goto again }
		:: skip
		fi;
#else
		if
		:: atomic { round < ROUNDS && allVisible -> goto again }
		:: skip
		fi;
#endif
		/* The unlock is a release. */
		atomic { allVisible -> acknowledged = mine; owner = NOBODY }
	:: else -> break
	od;
	goto ended;
killed:
	atomic { allVisible -> owner = NOBODY };
ended:
	skip
}

/* Mirrors Map.read with Map.find. */
active proctype Reader() {
	byte reads, v, at, a, b;
	bool gotA, gotB, looked, same;
	do
	:: reads < READS ->
retry:
		atomic { seen = bit(value); v = version }; /* an acquire */
		atomic { at = slot };                      /* an acquire */
		gotA = false; gotB = false; looked = false;
		do
		:: atomic { !gotA -> a = low[at]; gotA = true }
		:: atomic { !gotB -> b = high[at]; gotB = true }
#ifdef BROKEN_NO_LOAD_FENCE
		:: atomic { !looked -> same = (version == v); looked = true }
#else
		:: atomic { !looked && gotA && gotB -> same = (version == v); looked = true }
#endif
		:: gotA && gotB && looked -> break
		od;
		if
		:: !same -> goto retry
		:: same
		fi;
		atomic {
			assert(a == b);        /* whole */
			assert(seen & bit(a))  /* and the key had it */
		};
		reads++
	:: else -> break
	od
}

/* At the end the key has the last acknowledged value, or one of a writer that died later. */
init {
	byte i;
	atomic {
		seen = bit(0);
		for (i : 0 .. WRITERS - 1) { run Writer(i) }
	};
	(_nr_pr <= 3 && allVisible);
	assert(value >= acknowledged)
}
