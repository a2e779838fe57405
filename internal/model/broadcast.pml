/*
 * A broadcast that waits, of internal/ring/cast: one writer at a time, readers that come and go,
 * and a ring of SIZE messages. A reader that dies or leaves is not waited for, and one may be
 * expelled. When the writer dies or leaves, another one adopts what it has left.
 *
 * One atomic block is one access to shared memory together with the local decision that follows
 * from it. "Mirrors f" names the Go function whose steps follow. A process may be killed between
 * any two blocks.
 *
 * The tail and the cursors are plain release stores: they go through a store buffer and drain late.
 * A message is written to memory at once, in two steps, so that a reader can see half of it. A
 * locked instruction drains the buffer of its processor; a membarrier, and the proof that a process
 * is dead, drain those of others. The bells are taken to be right; sleep.pml checks them.
 *
 * Configuration, each by -D:
 *
 *	SIZE      messages that the ring has room for
 *	CELLS     how many readers there can be at once
 *	READERS   processes that read
 *	WRITERS   processes that put; together they put MSGS messages
 *	MSGS      messages
 *	JOINS     how often a reader subscribes; it leaves after two messages, but for the last time
 *	DEATHS    how many processes may be killed
 *	EXPELS    how many readers may be expelled
 *	CANCELS   how many puts that wait may be given up; the writer leaves then
 *	OLDEST    readers begin with the oldest message that is kept
 *	STRICT    the bells stay fenced: no membarrier, and each change is followed by a fence
 *	BROKEN_*  one mistake each, which spin must find
 *
 * Checked: a reader gets the messages that were committed, one by one and whole. When nothing can
 * happen any more, no living process sleeps although there is a message or room for it.
 */
#ifndef SIZE
#define SIZE 2
#endif
#ifndef CELLS
#define CELLS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef MSGS
#define MSGS 4
#endif
#ifndef JOINS
#define JOINS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef EXPELS
#define EXPELS 0
#endif
#ifndef CANCELS
#define CANCELS 0
#endif

#define PROCS (READERS + WRITERS)
#define NONE 15
#define TORN 255
#define FREE 0
#define JOINING 1
#define LIVE 2
#define EXPELLED 3

byte slot[SIZE], pub[MSGS];      /* pub is what the writers have committed, for the assertions */
byte tail, limit = SIZE, changes;
byte awaited;                    /* 0, or cell + 1 + 8 * want */
byte phase[CELLS], owner[CELLS], turn[CELLS], cursor[CELLS];
byte role = NONE;

/* Store buffers: a writer's tail, a reader's cursor. */
bool pending[PROCS];
byte value[PROCS], where[PROCS];

bool roomArmed, newsArmed, woken[PROCS];
bool killed[PROCS], finished[PROCS];
byte deaths, expels, cancels;

#define isWriter(i) ((i) >= READERS)

inline drain(i) {
	if
	:: pending[i] && isWriter(i) -> pending[i] = false; tail = value[i]; value[i] = 0
	:: pending[i] && !isWriter(i) -> pending[i] = false; cursor[where[i]] = value[i]; value[i] = 0; where[i] = 0
	:: else
	fi
}
inline drainAll() {
	drain(0); drain(1);
#if PROCS > 2
	drain(2);
#endif
#if PROCS > 3
	drain(3);
#endif
}

inline ringNews() { newsArmed = false; woken[0] = true;
#if READERS > 1
	woken[1] = true;
#endif
#if READERS > 2
	woken[2] = true;
#endif
}
inline ringRoom() { roomArmed = false; woken[READERS] = true;
#if WRITERS > 1
	woken[READERS + 1] = true;
#endif
}

#ifdef STRICT
#define barrierOfSleeper() drain(self) /* the arming itself is a locked instruction */
#define quiet(armed) false
#else
#define barrierOfSleeper() drainAll()
#define quiet(armed) (!(armed))
#endif

#ifdef BROKEN_FREE_BY_PHASE
#define same(c, o, t) (phase[c] == LIVE)
#else
#define same(c, o, t) (phase[c] == LIVE && owner[c] == (o) && turn[c] == (t))
#endif

/* Memory: store buffers drain at some time. */
active proctype Memory() {
end:
	do
	:: atomic { pending[0] -> drain(0) }
	:: atomic { pending[1] -> drain(1) }
#if PROCS > 2
	:: atomic { pending[2] -> drain(2) }
#endif
#if PROCS > 3
	:: atomic { pending[3] -> drain(3) }
#endif
	od
}

#if DEATHS > 0
active proctype Killer() {
	byte i;
end:
	do
	:: deaths < DEATHS ->
		atomic {
			deaths < DEATHS;
			i = 0;
			do
			:: i < PROCS - 1 -> i++
			:: break
			od;
			if
			:: !killed[i] && !finished[i] -> killed[i] = true; deaths++
			:: else
			fi;
			i = 0
		}
	od
}
#endif

/* Mirrors Ring.room, with look, least and scan. Goes on at room or noRoom. */
inline roomSteps() {
	true;
look:
	atomic {
		seen = changes; least = next; quick = false;
		if
#ifdef BROKEN_FLOOR_STALE
		:: slow != NONE && same(slow, so, st) -> quick = true
#else
		:: slow != NONE && seen == seenAt && same(slow, so, st) -> quick = true
#endif
		:: else
		fi
	}
	if
	:: quick ->
		atomic {
			if
			:: next - cursor[slow] > next - floor -> least = cursor[slow]
			:: else -> quick = false
			fi
		}
	:: else
	fi;
	if
	:: !quick -> /* Mirrors scan. */
		least = next; floor = next; slow = NONE; c = 0;
		do
		:: c < CELLS ->
			atomic { ph = phase[c]; wo = owner[c]; wt = turn[c] }
			if
			:: ph == LIVE ->
				atomic {
					if
					:: cursor[c] < least -> floor = least; least = cursor[c]; slow = c; so = wo; st = wt
					:: cursor[c] >= least && cursor[c] < floor -> floor = cursor[c]
					:: else
					fi
				}
			:: else
			fi;
			c++
		:: else -> break
		od;
		seenAt = seen; c = 0; ph = 0; wo = 0; wt = 0
	:: else
	fi;
	lim = least + SIZE;
	if
	:: next > SIZE && least < next - SIZE -> goto stands /* a subscriber that is not through */
	:: lim <= my -> goto stands
	:: else
	fi;
#ifdef BROKEN_LIMIT_LATE
	atomic {
		if
		:: changes == seen -> my = lim
		:: else -> goto look
		fi
	}
	atomic { drain(self); limit = lim; public = lim }
#else
	atomic { drain(self); limit = lim } /* the store, and scans.Add behind it */
	atomic {
		if
		:: changes == seen -> my = lim; public = lim
		:: else -> goto look
		fi
	}
#endif
stands:
#ifndef BROKEN_RAISED_IN_VAIN
	atomic {
		if
		:: limit != public -> limit = public
		:: else
		fi
	}
#endif
	if
	:: my > next -> goto room
	:: else
	fi;
	atomic {
		if
		:: slow == NONE || !same(slow, so, st) -> goto look
		:: else
		fi
	}
	atomic {
		if
		:: killed[so] -> drain(so) /* dead: nothing of it is on its way any more */
		:: else -> goto alive
		fi
	}
	atomic { /* a compare-and-swap */
		drain(self);
		if
		:: same(slow, so, st) -> phase[slow] = FREE
		:: else
		fi;
		goto look
	}
alive:
#if EXPELS > 0
	atomic {
		if
		:: expels < EXPELS ->
			drain(self);
			if
			:: same(slow, so, st) -> phase[slow] = EXPELLED; expels++; ringNews()
			:: else
			fi;
			goto look
		:: true
		fi
	}
#endif
	atomic {
		if
		:: awaited == slow + 1 + 8 * (next + 1 - SIZE) -> goto noRoom
#ifdef BROKEN_AWAITED_ONE_LOOK
		:: else -> drain(self); awaited = slow + 1 + 8 * (next + 1 - SIZE); goto noRoom
#else
		:: else -> drain(self); awaited = slow + 1 + 8 * (next + 1 - SIZE); goto look
#endif
		fi
	}
}

proctype Writer(byte self) {
	byte next, my, public, least, floor, slow = NONE, so, st, seen, seenAt, lim, c, ph, wo, wt, last;
	bool quick, second;
	{
		atomic { /* Mirrors enter and adopt. */
			/* A writer that has finished gives the role back, here. */
			role == NONE || killed[role] || finished[role];
			last = role; role = self;
			if
			:: last != NONE -> drain(last)
			:: else
			fi
		}
#ifndef BROKEN_TAKES_ROLE_SILENTLY
		atomic { /* readers that sleep are to watch this process from now on */
			drain(self);
			if
			:: newsArmed -> ringNews()
			:: else
			fi
		}
#endif
		atomic {
			next = tail; my = limit; public = limit;
			if
			:: last != NONE && killed[last] ->
#ifndef BROKEN_LIMIT_TRUSTED
				my = next
#endif
			:: else
			fi;
			last = 0
		}
		do
		:: next < MSGS ->
			second = false;
			if
			:: my > next -> goto room
			:: else
			fi;
			roomSteps();
noRoom:
			if
			:: !second ->
				atomic { /* Mirrors bell.arm: a compare-and-swap and a membarrier. */
					drain(self); roomArmed = true; woken[self] = false; barrierOfSleeper();
					second = true
				}
				goto look
			:: else
			fi;
			atomic { /* asleep; the death of the reader wakes, too */
				if
#ifdef BROKEN_NO_DEATH_WATCH
				:: woken[self]
#else
				:: woken[self] || killed[so]
#endif
#if CANCELS > 0
				:: cancels < CANCELS -> cancels++; goto left
#endif
				fi;
				second = false
			}
			goto look;
room:
			atomic {
				least = 0; lim = 0; seen = 0; second = false; quick = false;
				awaited = 0
			}
#ifdef BROKEN_TAIL_FIRST
			atomic { drain(self); value[self] = next + 1; pending[self] = true; pub[next] = next + 1 + 16 * self; drain(self) }
#endif
			atomic { slot[next % SIZE] = TORN }
			atomic { slot[next % SIZE] = next + 1 + 16 * self }
#ifndef BROKEN_TAIL_FIRST
			atomic { drain(self); value[self] = next + 1; pending[self] = true; pub[next] = next + 1 + 16 * self; next++ }
#else
			next++;
#endif
			if
			:: quiet(newsArmed)
			:: else -> atomic { drain(self); /* the ring, or the fence before it */
					if
					:: newsArmed -> ringNews()
					:: else
					fi
				}
			fi
		:: else -> break
		od;
left:
		skip
	} unless { killed[self] };
	finished[self] = true
}

/* Mirrors wakeWriter: wakes the writer that waits for this cell. */
inline movedSteps() {
#ifndef BROKEN_MOVED_NO_FENCE
	atomic { drain(self) }
#endif
	atomic {
		if
		:: awaited == 0 || awaited % 8 == cell + 1 && next >= awaited / 8 ->
			drain(self);
			if
			:: roomArmed -> ringRoom()
			:: else
			fi
		:: else
		fi
	}
}

proctype Reader(byte self) {
	byte cell, t, next, until, v, n, got;
	{
		n = 0;
		do
		:: n > 0 && n < JOINS -> break /* it does not come back */
		:: n < JOINS ->
			n++; got = 0;
			/* Mirrors subscribe: a compare-and-swap. */
			atomic {
				if
				:: phase[0] == FREE -> cell = 0
				:: phase[0] != FREE && killed[owner[0]] -> drain(owner[0]); cell = 0
#if CELLS > 1
				:: phase[1] == FREE -> cell = 1
				:: phase[1] != FREE && killed[owner[1]] -> drain(owner[1]); cell = 1
#endif
				fi;
				phase[cell] = JOINING; owner[cell] = self; turn[cell] = (turn[cell] + 1) % 8; t = turn[cell]
			}
#ifdef OLDEST
			atomic { next = limit - SIZE }
#else
			atomic { next = tail }
#endif
			atomic { drain(self); cursor[cell] = next }
#ifdef BROKEN_LIVE_NO_FENCE
			/* the store lingers: what follows is read before it is visible */
			atomic { until = tail }
			atomic { phase[cell] = LIVE }
			atomic { changes = (changes + 1) % 16; next = until; cursor[cell] = next }
#else
			atomic { phase[cell] = LIVE }
			atomic { changes = (changes + 1) % 16 }
#ifdef OLDEST
			do
#ifdef BROKEN_OLDEST_MOVES_BACK
			:: atomic { limit - SIZE == next -> break }
			:: atomic { limit - SIZE != next -> next = limit - SIZE; cursor[cell] = next }
#else
			:: atomic { limit - SIZE <= next -> break } /* lower: the writer has taken it back */
			:: atomic { limit - SIZE > next -> next = limit - SIZE; cursor[cell] = next }
#endif
			od;
#else
#ifndef BROKEN_NO_SECOND_TAIL
			atomic { next = tail }
			atomic { cursor[cell] = next }
#endif
#endif
#endif
			until = next;
			movedSteps();
			do
			:: n < JOINS && got == 2 -> break
			:: else ->
				if
				:: next == until ->
again:
					atomic { until = tail }
					if
					:: next == until && next == MSGS -> goto leave
					:: next == until && next != MSGS ->
						/* Mirrors bell.arm, and the second look. */
						atomic { drain(self); newsArmed = true; woken[self] = false; barrierOfSleeper(); v = role }
						atomic { until = tail }
						if
						:: next == until ->
							atomic {
#ifdef BROKEN_WRITER_NOT_WATCHED
								if
								:: woken[self]
#else
								if
								:: woken[self]
								:: v != NONE && killed[v] && role == v -> drain(v); v = 0
#endif
								/* no writer is left, and nothing is there for this one */
								:: finished[READERS] && finished[PROCS - 1] && !pending[READERS] && !pending[PROCS - 1] && tail == next -> goto leave
								fi
							}
							atomic {
								if
								:: phase[cell] == LIVE && owner[cell] == self && turn[cell] == t
								:: else -> goto expelled
								fi
							}
							goto again
						:: else
						fi
					:: else
					fi
				:: else
				fi;
				atomic { v = slot[next % SIZE] }
				atomic { /* Mirrors live. */
					if
#ifdef BROKEN_NO_CHECK_AFTER_COPY
					:: true
#else
					:: phase[cell] == LIVE && owner[cell] == self && turn[cell] == t
#endif
					:: phase[cell] != LIVE || owner[cell] != self || turn[cell] != t -> goto expelled
					fi;
					assert(v == pub[next]);
					v = 0
				}
				/* Mirrors finish. */
				atomic { drain(self); next++; got++; value[self] = next; where[self] = cell; pending[self] = true }
				if
				:: quiet(roomArmed)
				:: else -> movedSteps()
				fi
			od;
leave:
			until = 0; v = 0; got = 0;
			/* Mirrors Close: a compare-and-swap. */
			atomic {
				drain(self);
				if
				:: owner[cell] == self && turn[cell] == t -> phase[cell] = FREE
				:: else
				fi
			}
			atomic {
				if
#ifndef BROKEN_LEAVES_SILENTLY
				:: awaited % 8 == cell + 1 && roomArmed -> ringRoom()
#endif
				:: else
				fi
			}
			goto next_join;
expelled:
			assert(expels > 0);
			goto leave;
next_join:
			skip
		:: else -> break
		od
	} unless { killed[self] };
	finished[self] = true
}

init {
	atomic {
		byte i = 0;
		do
		:: i < PROCS ->
			if
			:: i < READERS -> run Reader(i)
			:: else -> run Writer(i)
			fi;
			i++
		:: else -> break
		od
	}
}
