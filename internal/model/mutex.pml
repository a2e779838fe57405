/*
 * The robust mutex of internal/lock on the process table of internal/proctab.
 *
 * One atomic block is one access to shared memory together with the local
 * decision that follows from it. Between two blocks any other goroutine may
 * run, and the process may die. "Mirrors f" names the Go function that the next
 * steps mirror. doc.go says what is checked and what is abstracted.
 */

#include "world.pml"
#include "unlock.pml"

/* In a waiter's copy of W: the lock was handed to a process that does not want it any more. */
#define VOID 32

#define watched (onLive[slotOf(owner(w))] & bit(self))
#ifdef BROKEN_OWN_LIVENESS
#define watches (owner(w) != 0)
#else
#define watches (owner(w) != me) /* no process sleeps on its own liveness */
#endif

#define woken (!(onBell & bit(self)) || (askedG && !(onG & bit(self))) || (watches && !watched))

/* A waiter that looks again without being woken would find a change. Without a change it would only
 * go back to sleep. */
#define sawNew (W != w || isDead(owner(w)) || ((w & HANDED) && G != owner(w)))

/* The end of a futex_waitv: off all queues. */
inline dequeue() {
	onBell = onBell & ~bit(self);
	onG = onG & ~bit(self);
	onLive[slotOf(owner(w))] = onLive[slotOf(owner(w))] & ~bit(self);
	askedG = false
}

proctype leader(byte self) {
	byte me = idOf(self, 0);
	byte w, g, next, round, after;
	bool slept, all, askedG;
	{
		true;
#ifdef REUSE
		/* Mirrors claimAny. The newcomer ends if it finds no slot. The process that had the slot
		 * before has been fenced. */
		if
		:: self == NEWCOMER ->
			atomic {
				if
				:: live[0] != ALIVE -> w = 0
				:: live[1] != ALIVE -> w = 1
#if PROCS > 2
				:: live[2] != ALIVE -> w = 2
#endif
				:: true -> goto through
				fi
			}
#ifndef BROKEN_CLAIM_NO_MEMBARRIER
			atomic { membarrier() }
#endif
			/* One 64-bit CAS. The pending entry of the robust list covers a claimer that dies. */
			atomic {
				live[w] = ALIVE;
				epoch[w] = 1;
				newSlot = w + 1;
				me = idOf(w, 1);
				w = 0
			}
		:: else
		fi;
#endif

lock: /* Mirrors Lock. Close may begin between the look and the CAS. */
		atomic {
			if
			:: closing -> goto released
			:: W == 0 -> flush(self); own(0); W = me; goto entered
			:: W != 0 && !closing -> flush(self); goto rest
			fi
		}

glance: /* Mirrors look, without checkOwner. */
		atomic {
			w = W;
			if
#ifdef REPORT
			:: w == SUSPECT -> goto report
#endif
			:: owner(w) == 0 -> next = me | (w & SUSPECT); goto take
			:: w == (me | HANDED) -> next = me; goto take
			:: owner(w) != 0 && w != (me | HANDED) -> w = 0; goto rest
			fi
		}

rest: /* Mirrors pauseOrSleep and requestHandoff. */
		if
		:: closing -> goto leaves
		:: !closing -> goto arm
#ifdef STARVE
		:: atomic { !closing && G != me ->
			g = G;
			if
			:: g == 0 -> goto askTurn
			:: else -> goto otherGone
			fi }
#endif
		fi;
#ifdef STARVE
otherGone:
		atomic {
			if
			:: isDead(g) -> goto askTurn
			:: else -> g = 0; goto arm
			fi
		}
askTurn:
		atomic {
			if
			:: G == g -> G = me
			:: else
			fi;
			g = 0;
			goto arm
		}
#endif

arm: /* Mirrors bell.armFenced and bell.fence. */
		atomic {
			if
			:: fenced -> goto armAt
			:: else
			fi
		}
		atomic { strictly = true; asked = asked | bit(self) }
#ifndef BROKEN_ARM_NO_MEMBARRIER
		atomic { membarrier() }
#endif
		atomic {
			if
			:: (asked & bit(self)) && strictly -> fenced = true
			:: else
			fi
		}
armAt: /* Mirrors bell.armAt. */
		atomic {
#ifndef BROKEN_ARM_RELAXED
			if
			:: fenced
			:: else -> goto arm /* it has become quiet meanwhile */
			fi;
#endif
			armed = true;
			moved(self);
			goto look
		}

look: /* Mirrors look with checkOwner, freeWord and reclaimWord. */
		atomic {
			w = W;
			if
#ifdef REPORT
			:: w == SUSPECT -> goto report
#endif
			:: owner(w) == 0 -> next = me | (w & SUSPECT); goto take
			:: owner(w) == me ->
				if
				:: w & HANDED -> next = me; goto take
				:: else -> goto cancel /* held by another goroutine of this process */
				fi
			:: owner(w) != 0 && owner(w) != me -> goto ownerAlive
			fi
		}
ownerAlive: /* Mirrors Dead: a dead process is fenced. If its slot was claimed, the claimer did
             * that. */
		atomic {
			if
			:: isDead(owner(w)) && epoch[slotOf(owner(w))] != epochOf(owner(w)) -> goto ringAll
			:: isDead(owner(w)) && epoch[slotOf(owner(w))] == epochOf(owner(w)) -> goto fenceDead
			:: !isDead(owner(w)) ->
				if
				:: w & HANDED -> goto offer
				:: else -> goto cancel
				fi
			fi
		}
fenceDead:
#ifndef BROKEN_DEAD_NO_MEMBARRIER
		atomic { membarrier() }
#endif
#ifdef REPORT
		atomic {
			if
			:: !(w & HANDED) -> goto report
			:: true
			fi
		}
#endif
ringAll: /* It comes before the CAS, so that each waiter sleeps again on the liveness of the new
          * owner, which may die at once. */
		atomic {
			if
			:: w & HANDED -> next = me /* it never held the lock */
			:: else -> next = me | SUSPECT
			fi;
#ifdef BROKEN_HANDED_IS_SUSPECT
			next = me | SUSPECT;
#endif
#ifdef BROKEN_TAKEOVER_SILENT
			next = me;
#endif
#ifdef BROKEN_DEAD_NOT_TAKEN
			next = 0;
			goto look
#elif defined(BROKEN_TAKEOVER_WAKES_NOBODY)
			goto take
#else
			after = TAKES; all = true; goto ring
#endif
		}
#ifdef REPORT
report: /* Mirrors deathToReport, for a locker that cannot repair. Property: an owner has died. */
		atomic {
			if
			:: W == w -> assert(lost); all = true; goto leaves
			:: else -> w = 0; goto look
			fi
		}
#endif
offer: /* Mirrors handoffExpired. */
		atomic {
			if
#ifndef BROKEN_VOID_NOT_TAKEN
			:: G != owner(w) -> next = me; w = w | VOID; goto take
#endif
#ifdef DAWDLE
			:: G == owner(w) -> goto dawdled
#endif
			:: G == owner(w) -> goto cancel
			fi
		}
#ifdef DAWDLE
dawdled:
		atomic {
			if
			:: G == owner(w) -> G = 0
			:: else
			fi;
			next = me;
			w = w | VOID;
			goto take
		}
#endif

take: /* Mirrors acquireWord. */
		atomic {
			if
#ifdef BROKEN_TAKEOVER_STORE
			:: true ->
#else
			:: W == (w & ~VOID) ->
#endif
				if
				/* The offer was void. If a new one was made since, its addressee waits on. */
				:: w & VOID -> own(0)
				:: else -> own(w)
				fi;
				W = next;
				goto withdraw
#ifndef BROKEN_TAKEOVER_STORE
			:: else -> next = 0; w = 0; goto look
#endif
			fi
		}
withdraw: /* Mirrors cancelRequest. */
		atomic {
			w = 0;
			if
			:: G == me -> G = 0
			:: else
			fi;
			goto entered
		}
entered: /* Mirrors entered: as the owner of the word it checks again whether Close has begun. */
		atomic {
			slept = false;
			clearReleasing();
			if
#ifndef BROKEN_CLOSED_NOT_SEEN
			:: closing -> next = 0; goto unlockSlow
#endif
			:: else ->
				enter(next & SUSPECT);
				if
				:: next & SUSPECT -> next = 0; goto repair
				:: else -> next = 0; goto unlock
				fi
			fi
		}
repair:
		if
		:: goto markConsistent
		:: goto unlock /* without repair, which leaves it suspect */
		fi;
markConsistent: /* Mirrors TryMarkConsistent. */
		atomic {
			if
			:: W == (me | SUSPECT) -> W = me; lost = false; damaged = false
			:: else -> assert(orphan)
			fi;
			goto unlock
		}
cancel: /* a context may end before the sleep */
#if CANCELS > 0
		if
		:: atomic { cancels < CANCELS -> cancels++; goto leaves }
		:: goto park
		fi;
#endif

park: /* Mirrors sleep. */
		atomic {
			if
			:: watches && isDead(owner(w)) -> w = 0; goto glance
			:: else -> slept = true; goto parkBell
			fi
		}
parkBell: /* Mirrors Park: the kernel compares and queues on one word after the other. */
		atomic {
			if
#ifdef BROKEN_SLEEP_NO_COMPARE
			:: true ->
#else
			:: current == self && armed ->
#endif
				onBell = onBell | bit(self);
				goto parkG
#ifndef BROKEN_SLEEP_NO_COMPARE
			:: else -> goto spread
#endif
			fi
		}
parkG: /* asked before the sleep; the leader alone changes that to true */
		atomic {
			if
			:: G == me -> askedG = true; onG = onG | bit(self)
			:: else
			fi;
			if
			:: watches -> goto parkLive
			:: else -> goto asleep
			fi
		}
parkLive:
		atomic {
			if
#ifdef BROKEN_SLEEP_NO_LIVENESS
			:: true ->
#else
			:: live[slotOf(owner(w))] == ALIVE ->
#endif
				onLive[slotOf(owner(w))] = onLive[slotOf(owner(w))] | bit(self);
				goto asleep
			:: live[slotOf(owner(w))] != ALIVE -> dequeue(); goto spread
			fi
		}
asleep:
		atomic {
			if
			:: woken -> dequeue(); goto spread
			:: closing -> dequeue(); goto spread
#if CANCELS > 0
			:: cancels < CANCELS -> cancels++; dequeue(); goto spreadLeave
#endif
#ifdef BACKSTOP
			:: deaths > 0 && sawNew -> dequeue(); goto spread
#endif
#ifdef SPURIOUS
			:: sawNew -> dequeue(); goto spread
#endif
			fi
		}
spread: /* Mirrors WakeAll. */
		atomic {
			if
#ifndef BROKEN_SPREAD_FORGOTTEN
			:: owner(w) != me && live[slotOf(owner(w))] != ALIVE -> goto spreadWake
#endif
			:: else -> w = 0; goto glance
			fi
		}
spreadWake:
		atomic { onLive[slotOf(owner(w))] = 0; w = 0; goto glance }
#if CANCELS > 0
spreadLeave:
		atomic {
			if
			:: owner(w) != me && live[slotOf(owner(w))] != ALIVE -> onLive[slotOf(owner(w))] = 0
			:: else
			fi;
			goto leaves
		}
#endif

leaves: /* Mirrors giveUp. First G, then W: an offer made after that finds the request gone. */
		atomic {
#ifndef BROKEN_LEAVE_KEEPS_G
			if
			:: G == me -> G = 0
			:: else
			fi;
#endif
			goto leaveLook
		}
leaveLook:
		atomic {
			after = LEFT;
			w = W;
			if
			:: w == (me | HANDED) -> goto refuse
			:: else ->
				if
#ifndef BROKEN_LEAVE_SWALLOWS_WAKE
				:: slept -> goto ring
#endif
				:: else -> all = false; goto released
				fi
			fi
		}
refuse:
		atomic {
			if
			:: W == w -> W = 0; goto ring
			:: else ->
				if
				:: slept -> goto ring
				:: else -> all = false; goto released
				fi
			fi
		}

		unlockSteps();

released:
		atomic {
			w = 0;
			slept = false;
			round++;
			if
			:: round < ROUNDS && !closing -> goto lock
			:: else
			fi
		}
#ifdef REUSE
		/* Mirrors Detach. */
		atomic {
			if
#if defined(CLOSE) || defined(SIBLING)
			:: self == 0 -> goto through /* left to Close, and to the other goroutine */
#endif
			:: true -> live[slotOf(me)] = FREE
			fi
		}
		atomic { onLive[slotOf(me)] = 0 }
#endif
through:
		atomic { done = done | bit(self); round = 0; me = 0 }
	} unless {
		atomic {
			gone & bit(self) ->
			w = 0; g = 0; next = 0; round = 0; after = 0; me = 0;
			slept = false; all = false; askedG = false
		}
	}
}

#ifdef SIBLING
/* Another goroutine of process 0. It is not the leader: no slow path, no HANDED. */
proctype sibling() {
	byte self = SIB, me = idOf(0, 0);
	byte w, g, round, after;
	bool all;
	{
		true;
lock:
		atomic {
			flush(self);
			if
			:: W == 0 -> own(0); W = me; goto entered
#ifdef BROKEN_SIBLING_TAKES_HANDED
			:: W == (me | HANDED) -> own(W); W = me; goto entered
#endif
			:: else -> goto released
			fi
		}
entered:
		atomic {
			clearReleasing();
			if
			:: closing -> goto unlockSlow
			:: else -> enter(false); goto unlock
			fi
		}

take:
		atomic { assert(false); goto released } /* siblings never take over */

		unlockSteps();

released:
		atomic {
			w = 0;
			round++;
			if
			:: round < ROUNDS -> goto lock
			:: else
			fi;
			done = done | bit(self);
			round = 0
		}
	} unless {
		atomic { gone & bit(0) -> w = 0; g = 0; round = 0; after = 0; all = false }
	}
}
#endif

#ifdef BYSTANDER
/* A waiter of another lock, held by process 0: only the liveness word can wake it. */
proctype bystander() {
	byte self = BY;
	if
	:: atomic { live[0] == ALIVE -> onLive[0] = onLive[0] | bit(self) }
		if
		/* It got the other lock. */
		:: atomic { live[0] == ALIVE -> onLive[0] = onLive[0] & ~bit(self) }
		:: !(onLive[0] & bit(self)) -> onLive[0] = 0
		fi
	:: live[0] != ALIVE
	fi
}
#endif

#ifdef CLOSE
/* Mirrors Close of a segment, Held and Detach, for process 0. A lock that it still owns is
 * orphaned. */
proctype closer() {
	{
		closed = true;
		if
		:: atomic { W == idOf(0, 0) || W == (idOf(0, 0) | SUSPECT) -> skip };
#ifndef BROKEN_CLOSE_NOT_SETTLED
			atomic { membarrier() };
			atomic { !releasing || !(W == idOf(0, 0) || W == (idOf(0, 0) | SUSPECT)) -> skip };
			atomic { membarrier() }
#endif
		:: atomic { !(W == idOf(0, 0) || W == (idOf(0, 0) | SUSPECT)) -> skip }
		fi;
		atomic {
			!(late & bit(0)) ->
			live[0] = FREE;
			detached = true;
			disown(goroutinesOf(0))
		}
		onLive[0] = 0
	} unless { gone & bit(0) }
}
#endif

init {
	atomic {
		run leader(0);
		run leader(1);
#if PROCS > 2
		run leader(2);
#endif
#if PROCS > 3
		run leader(3);
#endif
#ifdef REUSE
		run leader(NEWCOMER);
#endif
#ifdef SIBLING
		run sibling();
#endif
#ifdef CLOSE
		run closer();
#endif
#ifdef BYSTANDER
		run bystander();
#endif
#if DEATHS > 0
		run kernel();
#endif
		run memory()
	}
}
