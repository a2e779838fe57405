/*
 * The slot protocol of queue.Queue: any number of producers and consumers, each of which may be
 * killed between any two accesses to shared memory. It mirrors internal/ring/mpmc: claim.go and
 * places.go.
 *
 * One atomic block is one access to shared memory together with the local decision that follows
 * from it. "Mirrors f" names the Go function that the next steps mirror. A claim ends with a plain
 * store, which goes through a store buffer. The buffer drains late: at the next locked instruction
 * of its process, or at a membarrier of another process. Hints move on at the end of each lap, as
 * they do in the code where a lap is short.
 *
 * Configuration, each by -D:
 *
 *	CAP        slots
 *	PRODUCERS  processes that put, ROUNDS messages each; one that finds no room gives the message up
 *	CONSUMERS  processes that get, ROUNDS times each
 *	DEATHS     how many of them may be killed
 *	CLOSE      a process closes the queue
 *	DROP       producers that find no room drop the oldest message
 *	LAPS       how many laps a hint may be behind
 *	BROKEN_*   one mistake each, which spin must find
 *
 * When all have finished or died, an auditor takes the messages that are left, and fills and
 * empties the queue once more. No slot may be stuck.
 */

#ifndef CAP
#define CAP 2
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LAPS
#define LAPS 2
#endif

#define ALL     (PRODUCERS + CONSUMERS)
#define AUDITOR ALL
#define NOBODY  (ALL + 1)

/* The phases, and the stages seen from a lap: PER_LAP of them in each. */
#define EMPTY   0
#define WRITING 1
#define FULL    2
#define READING 3
#define PER_LAP 4
#define MOST_PASSED (EMPTY + LAPS * PER_LAP)

/* The slots: a word each, and what is in it: 0 is half a message. */
byte phase[CAP], owner[CAP], lap[CAP], content[CAP];
byte put, get, abandoned;
bool closed;

/* Store buffers: a slot's word that has not reached memory. */
bool buffered[ALL + 1];
byte bufferSlot[ALL + 1], bufferPhase[ALL + 1], bufferLap[ALL + 1];

bool gone[ALL + 1];
byte deaths, over;

/* Only the properties use these: the messages in memory, and those that consumers have claimed. */
#define MESSAGES (PRODUCERS * ROUNDS + CAP + 1)
bool published[MESSAGES + 1], taken[MESSAGES + 1];
byte claims; /* the lowest position that a consumer may claim next */
bool ended;  /* a consumer was told that no message will come any more */

#define OK      0
#define NO_ROOM 1
#define NOTHING 1
#define HELD    2
#define CLOSED  3

#define is(s, ph, o, l) (phase[s] == ph && owner[s] == o && lap[s] == l)

inline become(s_, ph_, o_, l_) {
	phase[s_] = ph_; owner[s_] = o_; lap[s_] = l_
}

/* A store buffer reaches memory. */
inline drain(i) {
	if
	:: buffered[i] ->
		buffered[i] = false;
		become(bufferSlot[i], bufferPhase[i], NOBODY, bufferLap[i]);
		if
		:: bufferPhase[i] == FULL ->
			assert(!ended);
			assert(content[bufferSlot[i]] != 0);
			published[content[bufferSlot[i]]] = true
		:: else
		fi;
		bufferSlot[i] = 0; bufferPhase[i] = 0; bufferLap[i] = 0
	:: else
	fi
}

/* Mirrors Table.Dead: when it is true, all stores of the dead process are in memory. */
inline look(o) {
	dead = false;
	if
	:: o == NOBODY -> dead = true
	:: o != NOBODY && o != self && gone[o] -> dead = true;
#ifndef BROKEN_DEAD_NO_MEMBARRIER
		drain(o)
#endif
	:: else
#ifdef BROKEN_LIVING_SKIPPED
		-> dead = (o != self)
#endif
	fi
}

/* Mirrors cursor.from. */
inline from(hint, seen) {
	p = (hint > seen -> hint : seen)
}

/* Mirrors cursor.pass and cursor.advanceHint. A locked instruction drains the buffer of its process
 * first. */
inline pass(hint, seen) {
	seen = p + 1;
	if
	:: p % CAP == CAP - 1 ->
		h = hint;
		if
#ifdef BROKEN_HINT_STORE
		:: true -> hint = p + 1
#else
		:: h < p + 1 ->
			atomic {
				drain(self);
				if
				:: hint == h -> hint = p + 1
				:: else
				fi
			}
#endif
		:: else
		fi;
		h = 0
	:: else
	fi
}

/* Mirrors Ring.retryFrom, which must not find that words make no sense. */
inline searchAgain(hint, seen) {
	assert(hint > p || seen > p);
	from(hint, seen)
}

/* Mirrors Ring.abandon. */
inline abandon() {
	won = false;
	atomic {
		drain(self);
		if
#ifdef BROKEN_ABANDON_STORE
		:: true ->
#else
		:: is(s, wp, wo, wl) ->
#endif
			become(s, EMPTY, NOBODY, wl + 1); won = true
		:: else
		fi
	}
	if
	:: won && wo != NOBODY -> abandoned++
	:: else
	fi
}

/* The word of position p's slot. A process also sees the stores in its own buffer. */
inline readWord() {
	atomic {
		s = p % CAP; l = p / CAP;
		if
		:: buffered[self] && bufferSlot[self] == s -> wp = bufferPhase[self]; wo = NOBODY; wl = bufferLap[self]
		:: else -> wp = phase[s]; wo = owner[s]; wl = lap[s]
		fi;
		st = (wl - l) * PER_LAP + wp
	}
}

/* Mirrors Ring.Front: OK with p, NOTHING, HELD or CLOSED. */
inline front() {
	again = false;
	from(get, seenGet);
	do
	:: readWord();
		if
		:: st == FULL && wo == NOBODY -> res = OK; break
		:: st == EMPTY && wo == NOBODY || st == READING - PER_LAP ->
			if
			:: again -> atomic { res = CLOSED; ended = true }; break
			:: else
			fi;
			if
			:: !closed -> res = NOTHING; break
			:: else ->
#ifdef BROKEN_LOOK_ONCE
				atomic { res = CLOSED; ended = true }; break
#else
				again = true
#endif
			fi
		:: st == WRITING ->
			atomic { look(wo) }
			if
			:: !dead -> res = HELD; break
			:: else -> abandon()
			fi
		:: st >= READING && st <= MOST_PASSED ->
			pass(get, seenGet);
			p++
		:: else ->
			searchAgain(get, seenGet)
		fi
	od;
	again = false
}

/* Mirrors Ring.claimGet: OK with s and l, or the errors of front. */
inline claimGet() {
	do
	:: front();
		if
		:: res != OK -> break
		:: else
		fi;
		atomic {
			drain(self);
			if
			:: is(s, FULL, NOBODY, l) ->
				become(s, READING, self, l);
				assert(p >= claims);
				claims = p + 1;
				assert(content[s] != 0 && !taken[content[s]]);
				taken[content[s]] = true;
				m = content[s];
				break
			:: else
			fi
		}
	od
}

/* A plain store to the word of the claimed slot. */
inline store(ph, lp) {
	atomic {
		drain(self);
		buffered[self] = true; bufferSlot[self] = s; bufferPhase[self] = ph; bufferLap[self] = lp
	}
}

/* Mirrors the end of Ring.claimGet, the copy of the message, and Ring.Free. */
inline release() {
	pass(get, seenGet);
#ifdef BROKEN_FREE_BEFORE_COPY
	store(EMPTY, l + 1);
	assert(content[s] == m);
#else
	atomic { assert(is(s, READING, self, l) && content[s] == m) }
	store(EMPTY, l + 1);
#endif
	m = 0
}

/* Mirrors Ring.ClaimPut: OK with s and l, NO_ROOM, HELD or CLOSED. */
inline claimPut() {
	won = false;
	if
	:: closed -> res = CLOSED
	:: else -> res = OK; from(put, seenPut)
	fi;
	do
	:: res == CLOSED -> break
	:: else ->
		readWord();
		if
		:: st == EMPTY && wo == NOBODY ->
#ifdef BROKEN_PASSED_FIRST
			pass(put, seenPut);
#endif
			atomic {
				drain(self);
				won = is(s, EMPTY, NOBODY, l);
				if
				:: won -> become(s, WRITING, self, l); content[s] = 0
				:: else
				fi
			}
			if
			:: won ->
#ifndef BROKEN_CLOSED_NOT_ASKED_AGAIN
				if
				:: closed ->
					/* Mirrors Ring.withdraw. */
					atomic {
#ifdef BROKEN_WITHDRAW_EMPTIES
						become(s, EMPTY, NOBODY, l)
#else
						become(s, WRITING, NOBODY, l)
#endif
					}
					res = CLOSED; break
				:: else
				fi;
#endif
				res = OK; break
			:: else
			fi
		:: st >= WRITING && st <= MOST_PASSED ->
			pass(put, seenPut);
			p++
		:: st >= WRITING - PER_LAP && st <= READING - PER_LAP ->
			/* Mirrors Ring.occupied. */
			if
			:: wp == FULL -> res = NO_ROOM; break
			:: else
			fi;
			atomic { look(wo) }
			if
			:: !dead -> res = HELD; break
			:: else
			fi;
			if
			:: wp == READING -> abandon()
			:: else ->
				q = p;
				front(); /* skips it */
				p = q; q = 0; res = OK
			fi
		:: else ->
			searchAgain(put, seenPut)
		fi
	od
}

/* Mirrors the end of Ring.ClaimPut, the copy of the message, and Ring.Store. */
inline publish(message) {
	pass(put, seenPut);
#ifdef BROKEN_SHOWN_BEFORE_WRITTEN
	store(FULL, l);
	atomic { drain(self) }
	content[s] = message
#else
	atomic { assert(is(s, WRITING, self, l)); content[s] = message }
	store(FULL, l)
#endif
}

inline forget() {
	p = 0; s = 0; l = 0; wp = 0; wo = 0; wl = 0; st = 0; res = 0; won = false; dead = false; again = false; m = 0; h = 0; q = 0
}

proctype producer(byte self) {
	byte p, s, l, wp, wo, wl, res, m, k, h, q, seenPut, seenGet;
	short st;
	bool won, dead, again;
	{
		do
		:: k < ROUNDS ->
			claimPut();
#ifdef DROP
			do
			:: res == NO_ROOM ->
				/* Mirrors Ring.dropOldest. */
				claimGet();
				if
				:: res == OK -> release()
				:: else
				fi;
				claimPut()
			:: else -> break
			od;
#endif
			if
			:: res == OK -> publish(self * ROUNDS + k + 1)
			:: else
			fi;
			atomic { forget(); k++ }
		:: else -> break
		od;
		atomic { drain(self); over++; k = 0; seenPut = 0; seenGet = 0 }
	} unless {
		atomic { gone[self] -> forget(); over++; k = 0; seenPut = 0; seenGet = 0 }
	}
}

proctype consumer(byte self) {
	byte p, s, l, wp, wo, wl, res, m, k, h, q, seenPut, seenGet;
	short st;
	bool won, dead, again;
	{
		do
		:: k < ROUNDS ->
			claimGet();
			if
			:: res == OK -> release()
			:: else
			fi;
			atomic { forget(); k++ }
		:: else -> break
		od;
		atomic { drain(self); over++; k = 0; seenPut = 0; seenGet = 0 }
	} unless {
		atomic { gone[self] -> forget(); over++; k = 0; seenPut = 0; seenGet = 0 }
	}
}

/* The auditor looks at the queue when no other process takes a step any more. */
proctype auditor(byte self) {
	byte p, s, l, wp, wo, wl, res, m, k, h, q, seenPut, seenGet;
	short st;
	bool won, dead, again;

	over == ALL;
#ifdef CLOSE
	closed;
#endif
	do
	:: claimGet();
		assert(res != HELD);
		if
		:: res == OK -> release()
		:: else -> break
		fi
	od;
	atomic {
		k = 1;
		do
		:: k <= PRODUCERS * ROUNDS -> assert(!published[k] || taken[k]); k++
		:: else -> break
		od;
		k = 0;
		assert(abandoned <= deaths)
	}
	if
	:: closed -> goto end
	:: else
	fi;
	do
	:: k < CAP ->
		claimPut();
		assert(res == OK);
		publish(PRODUCERS * ROUNDS + 1 + k);
		k++
	:: else -> break
	od;
	claimPut();
	assert(res == NO_ROOM);
	k = 0;
	do
	:: k < CAP ->
		claimGet();
		assert(res == OK && m == PRODUCERS * ROUNDS + 1 + k);
		release();
		k++
	:: else -> break
	od;
	claimGet();
	assert(res == NOTHING);
end:	skip
}

proctype killer(byte i) {
end:	atomic { deaths < DEATHS && over < ALL -> gone[i] = true; deaths++ }
}

/* A store buffer drains at any time, even after the death of its process. */
proctype memory(byte i) {
end:	do
	:: atomic { buffered[i] -> drain(i) }
	od
}

init {
	byte i;
	atomic {
		do
		:: i < CAP -> owner[i] = NOBODY; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < PRODUCERS -> run producer(i); i++
		:: else -> break
		od;
		do
		:: i < ALL -> run consumer(i); i++
		:: else -> break
		od;
		run auditor(AUDITOR);
		i = 0;
		do
		:: i < ALL ->
			run memory(i);
#if DEATHS > 0
			run killer(i);
#endif
			i++
		:: else -> break
		od;
		i = 0
	}
#ifdef CLOSE
	closed = true
#endif
}
