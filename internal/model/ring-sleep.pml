/*
 * How the two ends of queue.SPSC wait for each other, and how it is closed: ends.go and ring.go of
 * internal/ring/spsc, and cursor_unsafe.go of internal/ring. A producer or a consumer announces
 * that it is going to sleep, looks again and sleeps. The other end makes its change with a plain
 * store and looks for sleepers with a plain load; the membarrier of the first sleeper orders the
 * two. Later sleepers find the bell fenced and issue no membarrier. Then the other end fences, and
 * looks again.
 *
 * One atomic block is one access to shared memory together with the local decision that follows
 * from it. Plain stores go through a store buffer, in their order, and drain late. The bells are
 * taken to be right; sleep.pml checks them.
 *
 * Configuration, each by -D:
 *
 *	TOTAL     messages, through a queue that has room for one
 *	CLOSE     a process closes the queue at any moment
 *	DEATHS    1: the producer may be killed at any step
 *	HEIR      another process takes its role over after that
 *	BACKSTOP  a sleeper may look again by itself after a death
 *	BROKEN_*  one mistake each, which spin must find
 *
 * Checked: messages arrive in their order, each once. A consumer that is told that the queue is
 * closed and empty has missed no message. No process sleeps for ever.
 */

#ifndef TOTAL
#define TOTAL 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define CONSUMER 2 /* 0 is the producer, 1 its heir */

/* The words. A message's content is its position and one more; 0 is half a message. */
byte tail, read, begun, content, role;
bool closed;

/* Store buffers: of the producers for begun and then tail, of the consumer for read. */
bool begunLate[2], tailLate[2], readLate;
byte begunValue[2], tailValue[2], readValue;

/* The bells: armed while an end sleeps, or is about to. */
bool awaitMessage, awaitRoom;

/* The bell is fenced: each change executes a fence, and sleepers rely on it; see sleep.pml. */
bool strictMessage, strictRoom, fencedMessage, fencedRoom;

bool gone[2], ended;
byte deaths;

#define dead(i) gone[i]

inline drainBegun(i) {
	if
	:: begunLate[i] -> begunLate[i] = false; begun = begunValue[i]; begunValue[i] = 0
	:: else
	fi
}

inline drainProducer(i) {
	drainBegun(i);
	if
	:: tailLate[i] -> assert(!ended); tailLate[i] = false; tail = tailValue[i]; tailValue[i] = 0
	:: else
	fi
}

inline drainConsumer() {
	if
	:: readLate -> readLate = false; read = readValue; readValue = 0
	:: else
	fi
}

/* A locked instruction of an end. */
inline drainOf(who) {
	if
	:: who == CONSUMER -> drainConsumer()
	:: else -> drainProducer(who)
	fi
}

inline membarrier() {
	drainProducer(0); drainProducer(1); drainConsumer()
}

/* Mirrors bell.look and bell.ringFrom: a plain load, and a locked instruction if the other end
 * sleeps or may rely on a fence. */
inline tell(awaited, strictly, fenced, who) {
	atomic {
		if
		:: awaited -> drainOf(who); awaited = false
		:: else -> again = strictly
		fi
	}
	if
	:: again ->
		atomic {
			again = false;
#ifndef BROKEN_STRICT_NO_FENCE
			drainOf(who);
#endif
			if
			:: awaited -> drainOf(who); awaited = false
			:: !awaited && fenced -> strictly = false; fenced = false
			:: !awaited
			fi
		}
	:: else
	fi
}

#define tellConsumer() tell(awaitMessage, strictMessage, fencedMessage, self)
#define tellProducer() tell(awaitRoom, strictRoom, fencedRoom, CONSUMER)

/* Mirrors bell.armFenced. */
inline arm(awaited, strictly, fenced, who) {
	do
	:: atomic { fenced -> drainOf(who); awaited = true; break }
	:: atomic { !fenced -> drainOf(who); strictly = true }
#ifndef BROKEN_SLEEP_NO_MEMBARRIER
		atomic { membarrier() }
#endif
		atomic { fenced = strictly }
	od
}

/* Mirrors Ring.takePut. */
inline takeRole() {
	atomic { drainProducer(self); role = self }
	atomic { next = tail }
	if
	:: begun != next ->
		atomic { begunLate[self] = true; begunValue[self] = next }
		tellConsumer()
	:: else
	fi
}

/* Mirrors Ring.AwaitRoom: room, or over when the queue is closed. */
inline awaitPlace() {
	do
	:: read == next -> break
	:: else ->
		if
		:: closed -> over = true; break
		:: else
		fi;
		arm(awaitRoom, strictRoom, fencedRoom, self);
		if
#ifndef BROKEN_NO_SECOND_LOOK
		:: read == next || closed
		:: else ->
#else
		:: true ->
#endif
			if
			:: !awaitRoom
#ifdef BACKSTOP
			:: deaths > 0 -> skip
#endif
			fi
		fi
	od
}

inline putAll() {
	do
	:: next < TOTAL ->
		awaitPlace();
		if
		:: over -> break
		:: else
		fi;
		/* Mirrors Ring.Begin. */
#ifdef BROKEN_LOOKS_BEFORE_IT_SPEAKS
		over = closed;
		atomic { begunLate[self] = true; begunValue[self] = next + 1 }
#else
		atomic { begunLate[self] = true; begunValue[self] = next + 1 }
		over = closed;
#endif
		if
		:: over ->
			/* Mirrors Ring.withdraw. */
			atomic { begunLate[self] = true; begunValue[self] = next }
#ifndef BROKEN_ABORT_SILENT
			tellConsumer();
#endif
			break
		:: else
		fi;
		content = 0;
		content = next + 1;
		atomic { tailLate[self] = true; tailValue[self] = next + 1 }
		tellConsumer();
		next++
	:: else -> break
	od;
	next = 0; over = false
}

proctype producer(byte self) {
	byte next;
	bool over, again;
	{
		takeRole();
		putAll()
	} unless {
		atomic { gone[self] -> next = 0; over = false; again = false }
	}
}

proctype heir(byte self) {
	byte next;
	bool over, again;
end:	atomic {
		gone[0] -> skip;
#ifndef BROKEN_DEAD_NO_MEMBARRIER
		membarrier()
#endif
	}
	takeRole();
	putAll()
}

/* Mirrors Ring.Messages and Ring.vacant: found, over, or neither. */
inline lookForMessage() {
	watch = false;
	if
	:: tail != next -> found = true
	:: else ->
		if
		:: !closed
		:: else ->
			watch = true;
#ifndef BROKEN_CLOSED_NO_MEMBARRIER
			if
			:: !last -> atomic { membarrier(); last = true }
			:: else
			fi;
#endif
			b = begun;
			if
			:: tail != next
			:: else ->
				atomic {
					o = role;
					lost = dead(o);
#ifndef BROKEN_DEAD_NO_MEMBARRIER
					if
					:: lost -> membarrier()
					:: else
					fi
#endif
				}
				if
				:: b == next || lost && tail == next -> atomic { over = true; ended = true }
				:: else
				fi
			fi
		fi
	fi;
	b = 0; o = 0; lost = false
}

proctype consumer() {
	byte next, b, o;
	bool found, over, watch, lost, again, last;

	do
	:: next < TOTAL ->
		lookForMessage();
		if
		:: !found && !over ->
			arm(awaitMessage, strictMessage, fencedMessage, CONSUMER);
#ifndef BROKEN_NO_SECOND_LOOK
			lookForMessage()
#endif
		:: else
		fi;
		if
		:: over -> break
		:: found ->
			/* Mirrors the copy, and Ring.Release. */
			assert(content == next + 1);
			next++;
			atomic { readLate = true; readValue = next }
#ifndef BROKEN_FINISH_SILENT
			tellProducer();
#endif
			found = false
		:: else ->
			if
			:: !awaitMessage
#ifndef BROKEN_DEATH_NOT_WATCHED
			:: watch && gone[role] -> skip
#endif
#ifdef BACKSTOP
			:: deaths > 0 -> skip
#endif
			fi
		fi
	:: else -> break
	od
}

/* Mirrors Ring.Close. */
proctype closer() {
	closed = true;
	awaitMessage = false;
	awaitRoom = false
}

proctype killer() {
end:	atomic { deaths < DEATHS -> gone[0] = true; deaths++ }
}

/* Store buffers drain at any time, even after the death of the process. */
proctype memory() {
end:	do
	:: atomic { begunLate[0] -> drainBegun(0) }
	:: atomic { begunLate[1] -> drainBegun(1) }
	:: atomic { tailLate[0] && !begunLate[0] -> drainProducer(0) }
	:: atomic { tailLate[1] && !begunLate[1] -> drainProducer(1) }
	:: atomic { readLate -> drainConsumer() }
	od
}

init {
	atomic {
		run producer(0);
		run consumer();
		run memory();
#ifdef HEIR
		run heir(1);
#endif
#ifdef CLOSE
		run closer();
#endif
#if DEATHS > 0
		run killer();
#endif
	}
}
