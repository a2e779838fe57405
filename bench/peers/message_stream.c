// Times messages of 64 bytes from processes to others: the floor.
//
//	message_stream spsc|queue BATCH PRODUCERS ROUNDS OPS CPU...
//
//	spsc   a ring with two indices, of which each side remembers the other one's
//	queue  a ring whose slots have numbers, for any number of producers and consumers; no batches
#include "message.h"

struct numbered {
	_Alignas(64) atomic_ulong number; // who may use the slot next: a producer or a consumer, at which position
	struct message message;
};

struct shared {
	struct stream *stream;
	_Alignas(128) atomic_ulong head;
	_Alignas(128) atomic_ulong tail;
	_Alignas(128) struct message ring[stream_slots];
	struct numbered slots[stream_slots];
};

static struct source source;
static struct sink sink;

static void put_spsc(struct shared *s, long n) {
	static unsigned long tail, head;
	const unsigned long batch = (unsigned long)s->stream->batch;
	for (; n > 0; n -= (long)batch) {
		for (long tries = 0; tail + batch - head > stream_slots; tries++) {
			if (tries)
				ease(tries);
			head = atomic_load_explicit(&s->head, memory_order_acquire);
		}
		for (unsigned long i = 0; i < batch; i++)
			next_message(&source, &s->ring[tail++ % stream_slots]);
		atomic_store_explicit(&s->tail, tail, memory_order_release);
	}
}

static void get_spsc(struct shared *s, long n) {
	static unsigned long tail, head;
	const unsigned long batch = (unsigned long)s->stream->batch;
	while (n > 0) {
		for (long tries = 0; head == tail; tries++) {
			if (tries)
				ease(tries);
			tail = atomic_load_explicit(&s->tail, memory_order_acquire);
		}
		unsigned long k = tail - head < batch ? tail - head : batch;
		for (unsigned long i = 0; i < k; i++)
			take_message(s->stream, &sink, &s->ring[head++ % stream_slots]);
		atomic_store_explicit(&s->head, head, memory_order_release);
		n -= (long)k;
	}
}

// claim returns a slot that is at that phase of its lap, 0 for producers and 1 for consumers, and the position for which
// end claims it.
static struct numbered *claim(struct shared *s, atomic_ulong *end, unsigned long phase, unsigned long *position) {
	unsigned long at = atomic_load_explicit(end, memory_order_relaxed);
	for (long tries = 0;;) {
		struct numbered *slot = &s->slots[at % stream_slots];
		long ahead = (long)(atomic_load_explicit(&slot->number, memory_order_acquire) - (at + phase));
		if (ahead == 0 && atomic_compare_exchange_weak_explicit(end, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) {
			*position = at;
			return slot;
		}
		if (ahead < 0)
			ease(tries++);
		if (ahead != 0)
			at = atomic_load_explicit(end, memory_order_relaxed);
	}
}

static void put_queue(struct shared *s, long n) {
	for (; n > 0; n--) {
		unsigned long at;
		struct numbered *slot = claim(s, &s->tail, 0, &at);
		next_message(&source, &slot->message);
		atomic_store_explicit(&slot->number, at + 1, memory_order_release);
	}
}

static void get_queue(struct shared *s, long n) {
	for (; n > 0; n--) {
		unsigned long at;
		struct numbered *slot = claim(s, &s->head, 1, &at);
		take_message(s->stream, &sink, &slot->message);
		atomic_store_explicit(&slot->number, at + stream_slots, memory_order_release);
	}
}

static long run(struct shared *s, int proc, long ops, void put(struct shared *, long), void get(struct shared *, long)) {
	if (proc < s->stream->producers) {
		source.producer = (uint64_t)proc;
		put(s, ops / s->stream->producers);
	} else {
		get(s, ops / s->stream->consumers);
		finish_leg(s->stream, &sink);
	}
	return uncounted;
}

static long spsc_leg(void *shared, int proc, long ops) { return run(shared, proc, ops, put_spsc, get_spsc); }
static long queue_leg(void *shared, int proc, long ops) { return run(shared, proc, ops, put_queue, get_queue); }

int main(int argc, char **argv) {
	if (argc < 8) {
		fprintf(stderr, "usage: message_stream spsc|queue BATCH PRODUCERS ROUNDS OPS CPU...\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 4);
	struct shared *s = map_shared(sizeof *s);
	s->stream = new_stream(r, atoi(argv[3]), atoi(argv[2]));
	int spsc = strcmp(argv[1], "spsc") == 0;
	if (spsc ? r->procs != 2 : s->stream->batch != 1)
		fail("spsc has two processes, queue has no batches");
	for (unsigned long i = 0; i < stream_slots; i++)
		atomic_init(&s->slots[i].number, i);
	run_race(r, spsc ? spsc_leg : queue_leg, s);
	print_stream(r, s->stream);
	return 0;
}
