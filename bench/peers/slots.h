// Rings of slots, one for each message.
//
//	spsc   two indices, of which each side remembers the other one's
//	queue  slots that have numbers, for any number of producers and consumers
#ifndef SLOTS_H
#define SLOTS_H

#include "stream.h"

struct spsc {
	_Alignas(128) atomic_ulong head;
	_Alignas(128) atomic_ulong tail;
	_Alignas(128) struct message ring[stream_slots];
};

static void put_spsc(void *shared, const struct stream *stream, long n) {
	static unsigned long tail, head;
	struct spsc *q = shared;
	const unsigned long batch = (unsigned long)stream->batch;
	for (; n > 0; n -= (long)batch) {
		for (long tries = 0; tail + batch - head > stream_slots; tries++) {
			if (tries)
				ease(tries);
			head = atomic_load_explicit(&q->head, memory_order_acquire);
		}
		for (unsigned long i = 0; i < batch; i++)
			next_message(&source, &q->ring[tail++ % stream_slots]);
		atomic_store_explicit(&q->tail, tail, memory_order_release);
	}
}

static void get_spsc(void *shared, const struct stream *stream, long n) {
	static unsigned long tail, head;
	struct spsc *q = shared;
	const unsigned long batch = (unsigned long)stream->batch;
	while (n > 0) {
		for (long tries = 0; head == tail; tries++) {
			if (tries)
				ease(tries);
			tail = atomic_load_explicit(&q->tail, memory_order_acquire);
		}
		unsigned long k = tail - head < batch ? tail - head : batch;
		for (unsigned long i = 0; i < k; i++)
			take_message(stream, &sink, &q->ring[head++ % stream_slots]);
		atomic_store_explicit(&q->head, head, memory_order_release);
		n -= (long)k;
	}
}

struct numbered {
	// the next user of the slot: a producer or a consumer, at which position
	_Alignas(64) atomic_ulong number;
	struct message message;
};

struct queue {
	_Alignas(128) atomic_ulong head;
	_Alignas(128) atomic_ulong tail;
	_Alignas(128) struct numbered slots[stream_slots];
};

static void make_queue(void *shared) {
	struct queue *q = shared;
	for (unsigned long i = 0; i < stream_slots; i++)
		atomic_init(&q->slots[i].number, i);
}

static struct numbered *slot_of(struct queue *q, unsigned long at) { return &q->slots[at % stream_slots]; }

// ahead is 0 when the slot of a position is at that phase of its lap, 0 for producers and 1 for
// consumers, and below when not yet.
static long ahead(struct queue *q, unsigned long at, unsigned long phase) {
	return (long)(atomic_load_explicit(&slot_of(q, at)->number, memory_order_acquire) - (at + phase));
}

// claim claims slots of that phase in a row for an end, at least one, and at most so many. It
// returns how many, and the position of the first.
static unsigned long claim(struct queue *q, atomic_ulong *end, unsigned long phase, unsigned long most, unsigned long *position) {
	unsigned long at = atomic_load_explicit(end, memory_order_relaxed);
	for (long tries = 0;;) {
		long first = ahead(q, at, phase);
		if (first == 0) {
			unsigned long k = 1;
			while (k < most && ahead(q, at + k, phase) == 0)
				k++;
			// None of them has been claimed as long as the end has not moved.
			if (atomic_compare_exchange_weak_explicit(end, &at, at + k, memory_order_relaxed, memory_order_relaxed)) {
				*position = at;
				return k;
			}
			continue;
		}
		if (first < 0)
			ease(tries++);
		at = atomic_load_explicit(end, memory_order_relaxed);
	}
}

// part is how many of the messages that are left make a batch.
static unsigned long part(const struct stream *stream, long left) {
	return (unsigned long)(left < stream->batch ? left : stream->batch);
}

static void put_queue(void *shared, const struct stream *stream, long n) {
	struct queue *q = shared;
	while (n > 0) {
		unsigned long at, k = claim(q, &q->tail, 0, part(stream, n), &at);
		for (const unsigned long end = at + k; at != end; at++) {
			struct numbered *slot = slot_of(q, at);
			next_message(&source, &slot->message);
			atomic_store_explicit(&slot->number, at + 1, memory_order_release);
		}
		n -= (long)k;
	}
}

static void get_queue(void *shared, const struct stream *stream, long n) {
	struct queue *q = shared;
	while (n > 0) {
		unsigned long at, k = claim(q, &q->head, 1, part(stream, n), &at);
		for (const unsigned long end = at + k; at != end; at++) {
			struct numbered *slot = slot_of(q, at);
			take_message(stream, &sink, &slot->message);
			atomic_store_explicit(&slot->number, at + stream_slots, memory_order_release);
		}
		n -= (long)k;
	}
}

#endif
