// What the messages of the peers look like.
//
// A message begins and ends with the same word, its number. Of the messages of a stream, which
// have 64 bytes, the second word names the producer.
#ifndef MESSAGE_H
#define MESSAGE_H

#include "laps.h"

#include <stdint.h>

enum { max_producers = 8, stream_slots = 1024 };

struct message {
	uint64_t words[8];
};

static inline void write_words(void *data, size_t size, uint64_t word) {
	char *bytes = (char *)data;
	memcpy(bytes, &word, sizeof word);
	memcpy(bytes + size - sizeof word, &word, sizeof word);
}

static inline void check_words(const void *data, size_t size, uint64_t want) {
	const char *bytes = (const char *)data;
	uint64_t first, last;
	memcpy(&first, bytes, sizeof first);
	memcpy(&last, bytes + size - sizeof last, sizeof last);
	if (first != want || last != want)
		fail("a message does not hold what it should");
}

// Who streams: the first processes put, the others get. Each does an even part of a round.
struct stream {
	int producers, consumers, batch;
	_Alignas(128) atomic_long got, sum; // messages, and their numbers
};

static inline struct stream *new_stream(struct race *r, int producers, int batch) {
	struct stream *s = (struct stream *)map_shared(sizeof *s);
	s->producers = producers;
	s->consumers = r->procs - producers;
	s->batch = batch;
	if (producers < 1 || producers > max_producers || s->consumers < 1 || batch < 1 || batch > stream_slots ||
	    r->ops % ((long)producers * s->consumers * batch))
		fail("producers, consumers, batch or operations out of range");
	return s;
}

// A source numbers the messages of one producer, from 1.
struct source {
	uint64_t made, producer;
};

static inline void next_message(struct source *s, struct message *m) {
	s->made++;
	m->words[0] = s->made;
	m->words[1] = s->producer;
	m->words[7] = s->made;
}

// A sink checks what one consumer gets: from each producer in order.
struct sink {
	uint64_t last[max_producers];
	long got, sum;
};

static inline void take_message(const struct stream *s, struct sink *k, const struct message *m) {
	uint64_t number = m->words[0], producer = m->words[1];
	if (producer >= (uint64_t)s->producers || m->words[7] != number || number <= k->last[producer] ||
	    (s->consumers == 1 && number != k->last[producer] + 1))
		fail("a message is wrong, or comes at the wrong time");
	k->last[producer] = number;
	k->got++;
	k->sum += (long)number;
}

// finish_leg adds up what a consumer has got since it last did so.
static inline void finish_leg(struct stream *s, struct sink *k) {
	atomic_fetch_add(&s->got, k->got);
	atomic_fetch_add(&s->sum, k->sum);
	k->got = k->sum = 0;
}

// print_stream prints how many messages were got, and fails unless each number came once.
static inline void print_stream(struct race *r, struct stream *s) {
	long each = r->rounds * (r->ops / s->producers);
	if (atomic_load(&s->sum) != s->producers * (each * (each + 1) / 2))
		fail("messages came twice, or not at all");
	print_race(r, atomic_load(&s->got));
}

#endif
