// The processes that pass on the messages of a stream, and what they check.
//
// A message has 64 bytes. Its first and last word are its number, the second one names the
// producer.
#ifndef STREAM_H
#define STREAM_H

#include "laps.h"

#include <stdint.h>

enum { max_producers = 8, stream_slots = 1024 };

struct message {
	uint64_t words[8];
};

// The first processes of a stream put, the others get. Each does an even part of a round, or,
// where each message goes to all readers, each of these gets all of it.
struct stream {
	// consumers share the messages, readers do not: one of both is 1
	int producers, consumers, readers, batch;
	_Alignas(128) atomic_long got, lost, sum; // messages, and the numbers of all of them
};

static inline struct stream *new_stream(struct race *r, int producers, int batch) {
	struct stream *s = (struct stream *)map_shared(sizeof *s);
	s->producers = producers;
	s->consumers = r->procs - producers;
	s->readers = 1;
	s->batch = batch;
	if (producers < 1 || producers > max_producers || s->consumers < 1 || batch < 1 || batch > stream_slots ||
	    r->ops % ((long)producers * s->consumers * batch))
		fail("producers, consumers, batch or operations out of range");
	return s;
}

// give_to_all says that all processes that get are readers.
static inline void give_to_all(struct stream *s) {
	s->readers = s->consumers;
	s->consumers = 1;
}

// A source numbers the messages of one producer, from 1.
struct source {
	uint64_t made, producer;
};

static struct source source; // of this process

static inline void next_message(struct source *s, struct message *m) {
	s->made++;
	m->words[0] = s->made;
	m->words[1] = s->producer;
	m->words[7] = s->made;
}

// A sink checks what one consumer gets: from each producer in order.
struct sink {
	uint64_t last[max_producers];
	long got, lost, sum;
};

static struct sink sink; // of this process

static inline void take_message(const struct stream *s, struct sink *k, const struct message *m) {
	uint64_t number = m->words[0], producer = m->words[1];
	if (producer >= (uint64_t)s->producers || m->words[7] != number || number <= k->last[producer] ||
	    (s->consumers == 1 && number != k->last[producer] + 1))
		fail("a message is wrong, or comes at the wrong time");
	k->last[producer] = number;
	k->got++;
	k->sum += (long)number;
}

// lose_messages notes that the next n messages of the only producer will not come.
static inline void lose_messages(struct sink *k, long n) {
	k->lost += n;
	k->sum += n * (long)k->last[0] + n * (n + 1) / 2;
	k->last[0] += (uint64_t)n;
}

// finish_leg adds up what a consumer has got since it last did so.
static inline void finish_leg(struct stream *s, struct sink *k) {
	atomic_fetch_add(&s->got, k->got);
	atomic_fetch_add(&s->lost, k->lost);
	atomic_fetch_add(&s->sum, k->sum);
	k->got = k->lost = k->sum = 0;
}

// print_stream prints how many messages were got or lost, and fails unless each number came once to
// each reader, or was lost there. What was lost has a line of its own:
//
//	lost MESSAGES
static inline void print_stream(struct race *r, struct stream *s) {
	long each = r->rounds * (r->ops / s->producers);
	if (atomic_load(&s->sum) != s->readers * s->producers * (each * (each + 1) / 2))
		fail("messages came twice, or not at all");
	long lost = atomic_load(&s->lost);
	print_race(r, atomic_load(&s->got) + lost);
	if (lost)
		printf("lost %ld\n", lost);
}

#endif
