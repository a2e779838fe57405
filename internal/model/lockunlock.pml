/*
 * Unlock of lock.pml: entered at label unlock or unlockSlow, goes on at
 * ring or released.
 */

/* What settle waits for. After an Unlock releasing stays 1 until the next Lock, but the word says enough. */
#ifdef BROKEN_RELEASING_CLEARED_AFTER
#define settled !releasing
#else
#define settled (!releasing || (W & ~SUSPECT) != 1)
#endif

inline unlockSteps() {
	true;
unlock: /* Mirrors TryUnlock. */
	atomic {
		if
		:: W == me -> goto announce
		:: else -> goto unlockSlow
		fi
	}
announce:
#ifdef CLOSE
	atomic { storeReleasing(true); goto notClosing }
notClosing:
	atomic {
		if
		:: closing -> goto takeBack
		:: else
		fi
	}
#endif
	atomic {
		if
		:: armed -> goto takeBack
		:: else -> goto store
		fi
	}
takeBack:
#ifdef CLOSE
	atomic { storeReleasing(false); goto unlockSlow }
#else
	atomic { true; goto unlockSlow }
#endif
store: /* The look at the bell may come before it is visible. It stays in the store buffer. */
	atomic { disownConsistent(); bufW = bufW | bit(self) }
#ifdef BROKEN_RELEASING_CLEARED_AFTER
	atomic { storeReleasing(false) }
#endif
bellLook:
	atomic {
		if
		:: armed -> goto ringEnough
		:: else -> goto released
		fi
	}

unlockSlow: /* Mirrors unlockSlow. */
	atomic {
		w = W;
		if
		:: w == (me | SUSPECT) -> goto poison
		:: w == me -> goto handOver
		:: else -> assert(orphan); goto released /* taken over; Go panics if it is no orphan */
		fi
	}
poison:
	atomic {
		flush(self, p);
		if
		:: W == w ->
			hold = hold & ~bit(self);
#ifdef BROKEN_NO_POISON
			poisoned = true; W = 0; goto ringEnough
#else
			poisoned = true; W = UNRECOVERABLE; all = true; goto ring
#endif
		:: else -> goto unlockSlow
		fi
	}
handOver: /* Mirrors handOver. */
#ifdef STARVE
	atomic {
		g = G;
		if
		:: g == 0 -> goto free
		:: g != 0 && live[g - 1] != ALIVE -> goto forget
		:: g != 0 && live[g - 1] == ALIVE -> goto offer
		fi
	}
forget:
	atomic {
		flush(self, p);
		if
		:: G == g -> G = 0
		:: else
		fi;
		g = 0;
		goto free
	}
offer:
	atomic {
		flush(self, p);
		if
		:: W == w -> disownConsistent(); W = g | HANDED; goto lookAgain
		:: else -> g = 0; goto free
		fi
	}
lookAgain: /* withdraw writes G and then looks at W: one of the two sees the other */
	atomic {
		then = 2;
		if
#ifndef BROKEN_HAND_NO_LOOK
		:: G != g -> goto revoke
#endif
		:: else -> g = 0; goto ring
		fi
	}
revoke:
	atomic {
		flush(self, p);
		if
		:: W == (g | HANDED) -> W = 0
		:: else
		fi;
		g = 0;
		goto ring
	}
#endif
free: /* Still unlockSlow. */
	atomic {
		flush(self, p);
		if
#ifdef BROKEN_FREE_STORE
		:: true ->
#else
		:: W == w ->
#endif
			disownConsistent(); W = 0; goto ringEnough
#ifndef BROKEN_FREE_STORE
		:: else -> goto unlockSlow
#endif
		fi
	}
}
