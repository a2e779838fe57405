// Times a message to another process and back, through a message_queue of Boost.Interprocess for
// each way.
//
//	mq_trip BYTES ROUNDS OPS CPU CPU
#include "message.h"
#include "mq.h"
#include "trips.h"

struct shared {
	message_queue *queues[2]; // there, and back
	struct trips *trips;
	atomic_long messages; // that were checked
	size_t size;
};

static long leg(void *memory, int proc, long ops) {
	auto *s = static_cast<shared *>(memory);
	static uint64_t number;
	static std::vector<char> buffer(s->size);
	auto send = [&](message_queue *q) {
		write_words(buffer.data(), s->size, number);
		q->send(buffer.data(), s->size, 0);
	};
	auto receive = [&](message_queue *q) {
		if (receive_into(q, buffer.data(), s->size) != s->size)
			fail("a message has the wrong length");
		check_words(buffer.data(), s->size, number);
	};
	long then = now();
	for (long i = 0; i < ops; i++) {
		number++;
		if (proc == 0) {
			send(s->queues[0]);
			receive(s->queues[1]);
			then = add_trip(s->trips, then);
		} else {
			receive(s->queues[0]);
			send(s->queues[1]);
		}
	}
	atomic_fetch_add(&s->messages, ops);
	return uncounted;
}

int main(int argc, char **argv) {
	if (argc != 6) {
		fprintf(stderr, "usage: mq_trip BYTES ROUNDS OPS CPU CPU\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 2);
	auto *s = static_cast<shared *>(map_shared(sizeof(shared)));
	s->size = (size_t)atol(argv[1]);
	for (auto &q : s->queues)
		q = new_queue(4, s->size);
	s->trips = new_trips(r);
	run_race(r, leg, s);
	print_trips(r, s->trips);
	print_race(r, atomic_load(&s->messages));
	return 0;
}
