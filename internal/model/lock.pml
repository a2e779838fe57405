/*
 * The robust mutex of internal/lock.
 *
 * One atomic block is one access to shared memory together with the local
 * decision that follows from it. Between two blocks any other goroutine may
 * run, and the process may die. "Mirrors f" names the Go function whose steps
 * follow. A CAS that is repeated until it succeeds is one block.
 *
 * Checked:
 *  - there are never two holders, and a plain store never changes a word that
 *    its process does not own;
 *  - nobody sleeps for ever: without a death, and after a single one, not even
 *    without the backstop; after several deaths the backstop is enough;
 *  - the next holder is told of a holder's death, and of nothing else; a lock
 *    that was unlocked without being marked consistent stays unrecoverable;
 *  - a lock that was handed over is taken by its addressee, unless that has
 *    died or given up.
 *
 * Abstracted:
 *  - a process has one goroutine, its leader; with CLOSE, process 0 has a
 *    second one, on the fast path;
 *  - no value of the bell comes back, so that instead of its turn the model
 *    keeps who has seen the present value;
 *  - of the store buffer, the store of Unlock, and with CLOSE those to
 *    releasing: visible at any time, at the latest with the next locked
 *    instruction, a membarrier, or the death. A store to releasing may
 *    overtake that of Unlock, which amd64 does not do;
 *  - time: a leader may starve at any time, and with DAWDLE an offer may be
 *    found to be too old at any time;
 *  - slots are not reused, all processes have membarriers, memory holds no
 *    garbage, and TryLock is only its fast path.
 * A loop that never ends is not found, only states from which nothing goes on.
 *
 * By hand, from an empty directory:
 *	spin -a -DPROCS=3 -DDEATHS=1 lock.pml
 *	gcc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m1000000
 *	spin -t -p -DPROCS=3 -DDEATHS=1 lock.pml    (the trail of an error)
 */

#include "lockworld.pml"
#include "lockunlock.pml"

/* What ends a sleep: not all queues have it any more. */
#define wokenByBell  (!(onB & bit(self)))
#define wokenByG     (asking && !(onG & bit(self)))
#define wokenByLive  (owner(w) != me && !(onL[ownerSlot(w)] & bit(self)))

/* A sleeper that looked again in vain would only go back to sleep. */
#define sawNew (W != w || live[ownerSlot(w)] != ALIVE || ((w & HANDED) && G != owner(w)))

/* The end of a futex_waitv: off all queues. */
inline dequeue() {
	onB = onB & ~bit(self);
	onG = onG & ~bit(self);
	onL[ownerSlot(w)] = onL[ownerSlot(w)] & ~bit(self);
	asking = false
}

/* Goroutine self of process p. The leader is the one whose number is its process's. */
proctype goroutine(byte self, p) {
	byte me = p + 1;
	byte w, next, g, round, then;
	bool thorough, all, asking, slept, cancelled;
	{
		true;
lock: /* Mirrors Lock. */
		atomic {
			if
			:: closing -> goto released
			:: else
			fi
		}
		atomic {
			flush(self, p);
			if
			:: W == 0 -> own(0, me); W = me; goto entered
			:: W != 0 && self == SIB -> goto released /* another goroutine is the leader */
			:: W != 0 && self != SIB -> goto look
			fi
		}

look: /* Mirrors look. */
		atomic {
			w = W;
			assert(!poisoned || w == UNRECOVERABLE);
			if
			:: w == UNRECOVERABLE -> all = true; goto leave
			:: owner(w) == 0 -> next = me | (w & SUSPECT); goto take
			:: w == (me | HANDED) -> next = me; goto take
#ifdef BROKEN_TAKES_ANY_OFFER
			:: w & HANDED -> next = me; goto take
#endif
			:: else ->
				if
				:: !thorough -> goto rest
				:: else -> goto forfeited
				fi
			fi
		}

forfeited: /* Mirrors forfeited. */
		atomic {
			if
			:: owner(w) == me -> goto over /* another goroutine of this process has it */
			:: owner(w) != me && live[ownerSlot(w)] == ALIVE ->
				if
				:: w & HANDED -> goto lies
				:: else -> goto over
				fi
			:: owner(w) != me && live[ownerSlot(w)] == FREE -> goto dead
			:: owner(w) != me && live[ownerSlot(w)] == DIED -> goto bury
			fi
		}
bury: /* Mirrors proctab.bury: the threads of the dead stop. */
#ifndef BROKEN_DEAD_NO_MEMBARRIER
		atomic { membarrier(); goto buryWake }
#endif
buryWake:
		atomic { onL[ownerSlot(w)] = 0; goto dead }
dead:
		atomic {
#ifdef BROKEN_TAKEOVER_SILENT
			next = me;
#else
			next = me | ((w & HANDED) -> 0 : SUSPECT);
#endif
			then = 1;
			all = true;
			goto ring
		}
lies: /* Mirrors lies. */
		atomic {
			if
#ifndef BROKEN_VOID_NOT_TAKEN
			:: G != owner(w) -> next = me; goto take
#endif
#ifdef DAWDLE
			:: G == owner(w) -> goto dawdle
#endif
			:: else -> goto over
			fi
#ifdef DAWDLE
		}
dawdle:
		atomic {
			if
			:: true -> goto over
			:: true ->
				gaveUp = gaveUp | bit(ownerSlot(w));
				flush(self, p);
				if
				:: G == owner(w) -> G = 0
				:: else
				fi;
				next = me;
				goto take
			fi
#endif
		}

take: /* Mirrors take. */
		atomic {
			flush(self, p);
			if
#ifdef BROKEN_TAKE_STORE
			:: true ->
#else
			:: W == w ->
#endif
				own(w, next); W = next; goto taken
#ifndef BROKEN_TAKE_STORE
			:: else -> next = 0; goto look
#endif
			fi
		}
taken: /* Mirrors withdraw. */
		atomic {
			if
			:: G == me -> flush(self, p); G = 0
			:: else
			fi;
			goto entered
		}
entered: /* Mirrors the end of lockFast and of take: whoever holds the lock clears releasing. */
#if defined(CLOSE) && !defined(BROKEN_RELEASING_CLEARED_AFTER)
		atomic { storeReleasing(false) }
#endif
		atomic { /* Mirrors entered; the caller repairs, or cannot. */
			w = 0;
			slept = false;
			thorough = false;
			cancelled = false;
			if
			:: closing && (next & SUSPECT) -> next = 0; goto abandon
			:: closing && !(next & SUSPECT) -> next = 0; goto unlockSlow
			:: !closing && !(next & SUSPECT) -> next = 0; goto unlock
			:: !closing && (next & SUSPECT) ->
				next = 0;
				if
				:: true -> goto markConsistent
				:: true -> goto abandon
				:: true -> goto unlock
				fi
			fi
		}
markConsistent: /* Mirrors MarkConsistent. */
		atomic {
			flush(self, p);
			if
			:: W == (me | SUSPECT) ->
				W = me;
				if
				:: orphan
				:: else -> tainted = false
				fi
			:: else -> assert(orphan)
			fi;
			goto unlock
		}
abandon: /* Mirrors abandon: nobody but the holder changes the word, or the orphan is taken over. */
		atomic {
			flush(self, p);
			if
			:: owner(W) == me && !(W & HANDED) ->
				W = SUSPECT;
				hold = hold & ~bit(self);
				goto ringEnough
			:: else -> assert(orphan); goto released
			fi
		}

rest: /* Mirrors rest. */
		atomic {
			if
			:: closing -> goto leave
			:: else -> goto ask
			fi
		}
ask: /* Mirrors ask: whether the time has come is left open. */
#ifdef STARVE
		atomic {
			if
			:: G != me && (G == 0 || live[G - 1] != ALIVE) -> g = G; goto starve
			:: true -> goto arm
			fi
		}
starve:
		atomic {
			flush(self, p);
			if
			:: G == g -> G = me
			:: else
			fi;
			g = 0;
			goto arm
		}
#endif
arm: /* Mirrors arm. */
		atomic {
			flush(self, p);
			armed = true;
			known = bit(self);
			if
			:: fenced -> goto armedLook
			:: else -> goto fence
			fi
		}
fence:
#ifndef BROKEN_NO_MEMBARRIER
		atomic { membarrier(); goto fenceCAS }
fenceCAS:
#endif
		atomic {
			if
			:: known & bit(self) -> fenced = true; known = bit(self)
			:: else
			fi;
			goto armedLook
		}
armedLook:
#ifdef BROKEN_NO_SECOND_LOOK
		atomic { true; goto over }
#else
		atomic { thorough = true; goto look }
#endif
over: /* Still rest: the context. */
		atomic {
			thorough = false;
			if
			:: cancelled -> goto leave
#if CANCELS > 0
			:: !cancelled && cancels < CANCELS -> cancels++; cancelled = true; goto leave
#endif
			:: !cancelled -> goto alive
			fi
		}

alive: /* Mirrors sleep: first Liveness. */
		atomic {
			if
			:: owner(w) != me && live[ownerSlot(w)] != ALIVE -> goto look
			:: else -> asking = (G == me); slept = true; goto park
			fi
		}
park: /* Mirrors Park: the kernel compares and queues on one word after the other. */
		atomic {
			if
#ifdef BROKEN_SLEEP_NO_COMPARE
			:: true -> onB = onB | bit(self); goto parkG
#else
			:: known & bit(self) -> onB = onB | bit(self); goto parkG
			:: else -> dequeue(); goto look
#endif
			fi
		}
parkG:
		atomic {
			if
			:: !asking -> goto parkLive
			:: asking && G == me -> onG = onG | bit(self); goto parkLive
			:: asking && G != me -> dequeue(); goto look
			fi
		}
parkLive:
		atomic {
			if
			:: owner(w) == me -> goto asleep /* nobody sleeps on his own liveness */
#ifdef BROKEN_SLEEP_NO_LIVENESS
			:: owner(w) != me ->
#else
			:: owner(w) != me && live[ownerSlot(w)] == ALIVE ->
#endif
				onL[ownerSlot(w)] = onL[ownerSlot(w)] | bit(self);
				goto asleep
#ifndef BROKEN_SLEEP_NO_LIVENESS
			:: owner(w) != me && live[ownerSlot(w)] != ALIVE -> dequeue(); goto spread
#endif
			fi
		}
asleep:
		atomic {
			if
			:: wokenByBell || wokenByG || wokenByLive -> dequeue(); goto spread
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; cancelled = true; dequeue(); goto spread
#endif
#ifdef CLOSE
			:: closing -> dequeue(); goto spread
#endif
#ifdef BACKSTOP
			:: deaths > 0 && sawNew -> dequeue(); goto spread
#endif
#ifdef DAWDLE
			:: (w & HANDED) && sawNew -> dequeue(); goto spread
#endif
			fi
		}
spread: /* Mirrors proctab.Spread. */
		atomic {
			if
			:: owner(w) != me && live[ownerSlot(w)] != ALIVE -> onL[ownerSlot(w)] = 0
			:: else
			fi;
			goto look
		}

leave: /* Mirrors leave: first withdraw. */
		atomic {
			if
			:: G == me -> flush(self, p); G = 0; gaveUp = gaveUp | bit(p)
			:: else
			fi;
			goto leaveLook
		}
leaveLook:
		atomic {
			w = W;
			if
#ifndef BROKEN_NO_REFUSE
			:: w == (me | HANDED) -> goto refuse
#endif
			:: else -> goto leaveRing
			fi
		}
refuse:
		atomic {
			flush(self, p);
			if
			:: W == w -> W = 0; slept = true
			:: else
			fi;
			goto leaveRing
		}
leaveRing:
		atomic {
			if
#ifdef BROKEN_LEAVE_NO_RING
			:: slept -> goto released
#else
			:: slept -> goto ring
#endif
			:: else -> goto released
			fi
		}

		unlockSteps();

ringEnough:
		atomic { all = false; then = 0; goto ring }
ring: /* Mirrors ring. */
		atomic {
			if
			:: armed -> flush(self, p); known = bit(self); goto ringWake
			:: else -> goto rung
			fi
		}
ringWake:
		atomic {
			g = 0;
#ifndef BROKEN_RING_NO_WAKE
			if
			:: all -> onB = 0
			:: else ->
				wakeOne(onB, g);
#if ENOUGH > 1
				wakeOne(onB, g)
#endif
			fi;
#endif
			if
			:: g < ENOUGH -> g = 0; goto disarm
			:: else -> g = 0; goto rung
			fi
		}
disarm:
		atomic {
			flush(self, p);
			if
#ifdef BROKEN_DISARM_STORE
			:: true -> armed = false; fenced = false; known = 0
#else
			:: known & bit(self) -> armed = false; fenced = false; known = 0
			:: else
#endif
			fi;
			goto rung
		}
rung:
		atomic {
			known = known & ~bit(self);
			all = false;
			if
			:: then == 0 -> goto released
			:: then == 1 -> then = 0; goto take
			:: then == 2 -> goto wakeStarving
			fi
		}
wakeStarving: /* Still handOver. */
		atomic { wakeOne(onG, then); goto released }

released:
		atomic {
			w = 0;
			then = 0;
			all = false;
			slept = false;
			thorough = false;
			cancelled = false;
			known = known & ~bit(self);
			round++;
			if
			:: round < ROUNDS -> goto lock
			:: else -> round = 0; me = 0; done = done | bit(self)
			fi
		}
	} unless {
		atomic {
			gone & bit(p) ->
			w = 0; next = 0; g = 0; round = 0; then = 0; me = 0;
			thorough = 0; all = 0; asking = 0; slept = 0; cancelled = 0;
			known = known & ~bit(self)
		}
	}
}

#ifdef CLOSE
/* Mirrors Close of process 0, whose patience may be over at once. */
proctype closer() {
	{
		closed = true;
		atomic { /* Mirrors Held. */
			if
#ifndef BROKEN_NO_SETTLE
			:: W == 1 || W == (1 | SUSPECT) -> goto settle
#endif
			:: else -> goto detach
			fi
		}
settle: /* Mirrors settle. */
#ifndef BROKEN_SETTLE_NO_FIRST
		atomic { membarrier(); goto settleWait }
settleWait:
#endif
		settled;
		atomic { membarrier(); goto detach }
detach: /* Mirrors Detach. */
		atomic {
			if
			:: live[0] == ALIVE -> live[0] = FREE; disown(0)
			:: else
			fi
		}
		onL[0] = 0
	} unless { gone & bit(0) }
}
#endif

init {
	atomic {
		run memory();
		run goroutine(0, 0);
		run goroutine(1, 1);
#if PROCS > 2
		run goroutine(2, 2);
#endif
#if PROCS > 3
		run goroutine(3, 3);
#endif
#ifdef CLOSE
		run goroutine(SIB, 0);
		run closer();
#endif
#if DEATHS > 0
		run kernel()
#endif
	}
}
