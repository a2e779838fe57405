/*
 * How a lock is left, and how sleepers are woken: the parts of mutex.pml that
 * leaders and siblings share. Entered at unlock, unlockSlow or ring.
 */

#ifdef CLOSE
#define announce ANNOUNCE
#else
#define announce 0 /* no process would look */
#endif
#ifdef BROKEN_RELEASING_CLEARED_LATE
#define settled SETTLED
#else
#define settled 0
#endif

/* Where to go on after ring. */
#define LEFT   0 /* at released */
#define HANDS  1 /* at wakeStarving */
#define TAKES  2 /* at take: it is about to take over */

/* At label take a leader goes on that has woken all waiters before it takes over. */
inline unlockSteps() {
	true;
unlock: /* Mirrors TryUnlock. A plain store enters the buffer in one step with the load after it. */
	atomic {
		if
		:: W == me -> goto unlockClosed
		:: else -> goto unlockSlow
		fi
	}
unlockClosed:
	atomic {
		buffer[self] = buffer[self] | announce;
		if
#ifndef BROKEN_UNLOCK_IGNORES_CLOSE
		:: closing -> buffer[self] = buffer[self] | settled; goto unlockSlow
#endif
		:: else -> goto unlockArmed
		fi
	}
unlockArmed:
	atomic {
		if
		:: armed || strictly -> buffer[self] = buffer[self] | settled; goto unlockSlow
		:: else -> goto unlockStore
		fi
	}
unlockStore:
	atomic {
		leaveConsistent();
		buffer[self] = buffer[self] | RELEASE | settled;
		if
#ifndef BROKEN_UNLOCK_NO_LOOK
		:: armed -> after = LEFT; all = false; goto ring
		:: !armed && strictly ->
			after = LEFT; all = false;
#ifdef BROKEN_UNLOCK_NO_FENCE
			goto released
#else
			goto pass
#endif
#endif
		:: else -> goto released
		fi
	}

unlockSlow: /* Mirrors unlockSlow. */
	atomic {
		w = W;
		if
		:: owner(w) == me && !(w & HANDED) ->
			if
#ifndef BROKEN_SUSPECT_FORGOTTEN
			:: w & SUSPECT -> goto leaveSuspect
#endif
			:: else -> goto readStarving
			fi
		:: else -> assert(orphan); goto released /* taken over; Go panics if it is not closing */
		fi
	}
leaveSuspect: /* the lock was not repaired, and still waits for a repair */
	atomic {
		flush(self);
		if
		:: W == w -> W = SUSPECT; leave(); after = LEFT; all = true; goto ring
		:: else -> goto unlockSlow
		fi
	}
readStarving: /* Mirrors handOver. */
	atomic {
		g = G;
		if
		:: g == 0 -> goto release
		:: else -> goto starvingGone
		fi
	}
starvingGone:
	atomic {
		if
		:: isDead(g) -> goto forgetStarving
		:: else -> goto handOver
		fi
	}
forgetStarving:
	atomic {
		flush(self);
		if
		:: G == g -> G = 0
		:: else
		fi;
		g = 0;
		goto release
	}
handOver: /* G stays as it is: the offer stands while G says so. */
	atomic {
		flush(self);
#ifdef BROKEN_HAND_CLEARS_G
		if
		:: G == g -> G = 0
		:: else
		fi
	}
	atomic {
#endif
		if
		:: W == w -> leaveConsistent(); W = g | HANDED; goto lookAgain
		:: else -> g = 0; goto unlockSlow
		fi
	}
lookAgain: /* leave clears G and then looks at W, so that one of the two sees the change of the
            * other. The rule of lies for void offers would suffice without it. */
	atomic {
		after = HANDS;
		all = false;
		if
#ifndef BROKEN_HAND_CLEARS_G
		:: G != g -> goto revoke
#endif
		:: else -> g = 0; goto ring
		fi
	}
revoke:
	atomic {
		if
		:: W == (g | HANDED) -> W = 0
		:: else
		fi;
		g = 0;
		goto ring
	}
wakeStarving:
	atomic { wakeOne(onG); goto released }
release:
	atomic {
		flush(self);
		if
		:: W == w -> W = 0; leaveConsistent(); after = LEFT; all = false; goto pass
		:: else -> goto unlockSlow
		fi
	}

pass: /* Mirrors bell.look and bell.lookSwapped: after some unlocks without a waiter the bell
       * becomes quiet. */
	atomic {
		flush(self);
		w = 0;
		if
		:: armed -> goto ring
		:: !armed && fenced -> goto relax
		:: !armed -> goto rung
		fi
	}
relax:
	atomic {
		if
		:: !armed && fenced -> strictly = false; fenced = false; moved(NONE)
#ifdef BROKEN_RELAX_STORE
		:: armed -> armed = false; strictly = false; fenced = false; moved(NONE)
#endif
		:: true
		fi;
		goto rung
	}

ring: /* Mirrors bell.ring and bell.ringFrom. A compare-and-swap that fails is a fence, too. */
	atomic {
		w = (after == TAKES -> w : 0);
		if
		:: armed -> flush(self); moved(ringer(self)); goto ringWake
		:: else -> flush(self); goto rung
		fi
	}
ringWake:
	atomic {
		if
#ifdef BROKEN_UNLOCK_NO_WAKE
		:: !all -> goto rung
#endif
		:: all -> onBell = 0; goto disarm
		:: else ->
			if
			:: onBell == 0 -> goto disarm
			:: else -> wakeOne(onBell)
			fi;
#if WAKES > 1
			if
			:: onBell == 0 -> goto disarm
			:: else -> wakeOne(onBell)
			fi;
#endif
			goto rung
		fi
	}
disarm:
	atomic {
		if
#ifndef BROKEN_DISARM_STORE
		:: current == ringer(self) -> armed = false; current = NONE
#else
		:: true -> armed = false; current = NONE
#endif
		:: else
		fi;
		goto rung
	}
rung:
	atomic {
		all = false;
		if
		:: after == HANDS -> after = LEFT; goto wakeStarving
		:: after == LEFT -> goto released
		:: after == TAKES -> after = LEFT; goto take
		fi
	}
}
