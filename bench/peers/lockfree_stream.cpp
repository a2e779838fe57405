// Times messages of 64 bytes from processes to others, through a queue of Boost.Lockfree in shared
// memory.
//
//	lockfree_stream spsc|queue BATCH PRODUCERS ROUNDS OPS CPU...
//
// Only spsc has batches.
#include "stream.h"

#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

namespace lockfree = boost::lockfree;

using spsc_queue = lockfree::spsc_queue<message, lockfree::capacity<stream_slots>>;
using mpmc_queue = lockfree::queue<message, lockfree::fixed_sized<true>, lockfree::capacity<stream_slots>>;

template <class Queue> struct shared {
	Queue queue;
	struct stream *stream;
};

template <class Queue> void put(shared<Queue> *s, long n) {
	for (; n > 0; n--) {
		message m = {};
		next_message(&source, &m);
		for (long tries = 0; !s->queue.push(m); tries++)
			ease(tries);
	}
}

template <class Queue> void get(shared<Queue> *s, long n) {
	for (; n > 0; n--) {
		message m;
		for (long tries = 0; !s->queue.pop(m); tries++)
			ease(tries);
		take_message(s->stream, &sink, &m);
	}
}

static void put_batches(shared<spsc_queue> *s, long n) {
	message ms[stream_slots] = {};
	for (size_t batch = (size_t)s->stream->batch; n > 0; n -= (long)batch) {
		for (size_t i = 0; i < batch; i++)
			next_message(&source, &ms[i]);
		size_t done = 0;
		for (long tries = 0; (done += s->queue.push(ms + done, batch - done)) < batch; tries++)
			ease(tries);
	}
}

static void get_batches(shared<spsc_queue> *s, long n) {
	message ms[stream_slots];
	while (n > 0) {
		size_t got;
		for (long tries = 0; (got = s->queue.pop(ms, (size_t)s->stream->batch)) == 0; tries++)
			ease(tries);
		for (size_t i = 0; i < got; i++)
			take_message(s->stream, &sink, &ms[i]);
		n -= (long)got;
	}
}

static void put_some(shared<spsc_queue> *s, long n) { s->stream->batch > 1 ? put_batches(s, n) : put(s, n); }
static void get_some(shared<spsc_queue> *s, long n) { s->stream->batch > 1 ? get_batches(s, n) : get(s, n); }
static void put_some(shared<mpmc_queue> *s, long n) { put(s, n); }
static void get_some(shared<mpmc_queue> *s, long n) { get(s, n); }

template <class Queue> long leg(void *memory, int proc, long ops) {
	auto *s = static_cast<shared<Queue> *>(memory);
	if (proc < s->stream->producers) {
		source.producer = (uint64_t)proc;
		put_some(s, ops / s->stream->producers);
	} else {
		get_some(s, ops / s->stream->consumers);
		finish_leg(s->stream, &sink);
	}
	return uncounted;
}

template <class Queue> int measure(struct race *r, struct stream *stream) {
	auto *s = new (map_shared(sizeof(shared<Queue>))) shared<Queue>;
	s->stream = stream;
	run_race(r, leg<Queue>, s);
	print_stream(r, stream);
	return 0;
}

int main(int argc, char **argv) {
	if (argc < 8) {
		fprintf(stderr, "usage: lockfree_stream spsc|queue BATCH PRODUCERS ROUNDS OPS CPU...\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 4);
	struct stream *stream = new_stream(r, atoi(argv[3]), atoi(argv[2]));
	if (strcmp(argv[1], "spsc") == 0)
		return measure<spsc_queue>(r, stream);
	return measure<mpmc_queue>(r, stream);
}
