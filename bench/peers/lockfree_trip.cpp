// Times a message to another process and back, through queues of Boost.Lockfree in shared memory.
//
//	lockfree_trip spsc|queue BYTES ROUNDS OPS CPU CPU
//
// The queues have a fixed size, as those in shared memory must. They never sleep.
#include "message.h"
#include "trips.h"

#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

namespace lockfree = boost::lockfree;

template <size_t size> struct payload {
	char bytes[size];
};

template <class T> using spsc_queue = lockfree::spsc_queue<T, lockfree::capacity<4>>;
template <class T> using mpmc_queue = lockfree::queue<T, lockfree::fixed_sized<true>, lockfree::capacity<4>>;

template <class Queue> struct shared {
	Queue queues[2]; // there, and back
	struct trips *trips;
	atomic_long messages; // that were checked
};

template <class Queue, class T> void send(Queue &q, T &m, uint64_t number) {
	write_words(&m, sizeof m, number);
	while (!q.push(m))
		relax();
}

template <class Queue, class T> void receive(Queue &q, T &m, uint64_t number) {
	while (!q.pop(m))
		relax();
	check_words(&m, sizeof m, number);
}

template <class Queue, class T> long leg(void *memory, int proc, long ops) {
	auto *s = static_cast<shared<Queue> *>(memory);
	static uint64_t number;
	static T m;
	long then = now();
	for (long i = 0; i < ops; i++) {
		number++;
		if (proc == 0) {
			send(s->queues[0], m, number);
			receive(s->queues[1], m, number);
			then = add_trip(s->trips, then);
		} else {
			receive(s->queues[0], m, number);
			send(s->queues[1], m, number);
		}
	}
	atomic_fetch_add(&s->messages, ops);
	return uncounted;
}

template <class Queue, class T> int measure(struct race *r) {
	auto *s = new (map_shared(sizeof(shared<Queue>))) shared<Queue>;
	s->messages = 0;
	s->trips = new_trips(r);
	run_race(r, leg<Queue, T>, s);
	print_trips(r, s->trips);
	print_race(r, atomic_load(&s->messages));
	return 0;
}

template <template <class> class Queue> int measure_size(struct race *r, long size) {
	switch (size) {
	case 64:
		return measure<Queue<payload<64>>, payload<64>>(r);
	case 1 << 10:
		return measure<Queue<payload<1 << 10>>, payload<1 << 10>>(r);
	case 1 << 16:
		return measure<Queue<payload<1 << 16>>, payload<1 << 16>>(r);
	case 1 << 20:
		return measure<Queue<payload<1 << 20>>, payload<1 << 20>>(r);
	}
	fail("no such size");
	return 1;
}

int main(int argc, char **argv) {
	if (argc != 7) {
		fprintf(stderr, "usage: lockfree_trip spsc|queue BYTES ROUNDS OPS CPU CPU\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 3);
	if (strcmp(argv[1], "spsc") == 0)
		return measure_size<spsc_queue>(r, atol(argv[2]));
	return measure_size<mpmc_queue>(r, atol(argv[2]));
}
