// Times messages of 64 bytes from processes to others, through a message_queue of
// Boost.Interprocess.
//
//	mq_stream PRODUCERS ROUNDS OPS CPU...
#include "mq.h"
#include "stream.h"

struct shared {
	message_queue *queue;
	struct stream *stream;
};

static void put(shared *s, long n) {
	for (; n > 0; n--) {
		message m = {};
		next_message(&source, &m);
		s->queue->send(&m, sizeof m, 0);
	}
}

static void get(shared *s, long n) {
	for (; n > 0; n--) {
		message m;
		if (receive_into(s->queue, &m, sizeof m) != sizeof m)
			fail("a message has the wrong length");
		take_message(s->stream, &sink, &m);
	}
}

static long leg(void *memory, int proc, long ops) {
	auto *s = static_cast<shared *>(memory);
	if (proc < s->stream->producers) {
		source.producer = (uint64_t)proc;
		put(s, ops / s->stream->producers);
	} else {
		get(s, ops / s->stream->consumers);
		finish_leg(s->stream, &sink);
	}
	return uncounted;
}

int main(int argc, char **argv) {
	if (argc < 6) {
		fprintf(stderr, "usage: mq_stream PRODUCERS ROUNDS OPS CPU...\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 2);
	shared s = {new_queue(stream_slots, sizeof(message)), new_stream(r, atoi(argv[1]), 1)};
	run_race(r, leg, &s);
	print_stream(r, s.stream);
	return 0;
}
