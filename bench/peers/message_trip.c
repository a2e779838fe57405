// Times a message to another process and back: the floor, with nothing but a slot for each way.
//
//	message_trip copy|inplace BYTES spin|adaptive|park|asleep REST ROUNDS OPS CPU CPU
//
// The sender writes the message, then its number; the receiver waits for the number, in a loop with
// pauses, or on a futex, or with adaptive in a loop for a while and then on a futex. With copy the
// message is copied in and out; with inplace its first and last word are written and read where
// they lie. With asleep, which is park otherwise, each process is busy for a while before it sends:
// by then the other one sleeps. Process 0 rests for REST microseconds before each trip, which the
// trip does not count.
//
// Besides laps and trips it prints how often both processes called the kernel, before the total:
//
//	waits N
//	wakes N
//	slept N  waits that slept
#include "message.h"
#include "trips.h"

#include <linux/futex.h>
#include <sys/syscall.h>

struct slot {
	_Alignas(128) atomic_uint number; // of the last message, complete
	atomic_uint asleep;               // whether the receiver may be
	_Alignas(64) char data[];
};

struct shared {
	int copy, spins, sleeps, busy; // with spins and sleeps first the one, then the other
	long rest_us;
	size_t size;
	struct slot *slots[2]; // there, and back
	struct trips *trips;
	atomic_long messages; // that were checked
	atomic_long waits, wakes, slept; // calls of the kernel, and the waits among them that slept
};

enum {
	busy_ns = 50000,
	spin_ns = 30000,  // before a sleep: about what that costs
	blind_looks = 64, // from one look at the clock to the next
};

static void be_busy(void) {
	for (long end = now() + busy_ns; now() < end;) {
	}
}

static long waits, wakes, slept; // of this process, in this leg

static void send(struct shared *s, struct slot *slot, char *buffer, unsigned number) {
	if (s->busy)
		be_busy();
	if (s->copy) {
		write_words(buffer, s->size, number);
		memcpy(slot->data, buffer, s->size);
	} else {
		write_words(slot->data, s->size, number);
	}
	if (!s->sleeps) {
		atomic_store_explicit(&slot->number, number, memory_order_release);
		return;
	}
	atomic_store(&slot->number, number);
	if (atomic_load(&slot->asleep)) {
		wakes++;
		check(syscall(SYS_futex, &slot->number, FUTEX_WAKE, 1, 0, 0, 0) < 0, "futex wake");
	}
}

// sleep_until sleeps once, if at all. A receiver that is about to sleep says so, then looks again.
static void sleep_until(struct slot *slot, unsigned number) {
	atomic_store(&slot->asleep, 1);
	unsigned seen = atomic_load(&slot->number);
	if (seen != number) {
		waits++;
		if (syscall(SYS_futex, &slot->number, FUTEX_WAIT, seen, 0, 0, 0) == 0)
			slept++; // otherwise the number had changed already
	}
	atomic_store_explicit(&slot->asleep, 0, memory_order_relaxed);
}

static int came(struct slot *slot, unsigned number) {
	return atomic_load_explicit(&slot->number, memory_order_acquire) == number;
}

// spin looks until the number has come, or, where the receiver sleeps otherwise, for a while. A
// message that comes soon costs no look at the clock.
static void spin(struct shared *s, struct slot *slot, unsigned number) {
	long end = 0;
	for (long looks = 1; !came(slot, number); looks++) {
		relax();
		if (!s->sleeps || looks % blind_looks)
			continue;
		long then = now();
		if (!end)
			end = then + spin_ns;
		else if (then >= end)
			return;
	}
}

static void receive(struct shared *s, struct slot *slot, char *buffer, unsigned number) {
	if (s->spins)
		spin(s, slot, number);
	while (!came(slot, number))
		sleep_until(slot, number);
	if (s->copy)
		memcpy(buffer, slot->data, s->size);
	check_words(s->copy ? buffer : slot->data, s->size, number);
}

static long message_trips(void *shared, int proc, long ops) {
	struct shared *s = shared;
	static unsigned number;
	static char *buffer;
	if (!buffer && !(buffer = calloc(1, s->size)))
		fail("no memory");
	long then = now();
	waits = wakes = slept = 0;
	for (long i = 0; i < ops; i++) {
		number++;
		if (proc == 0) {
			if (s->rest_us) {
				usleep((useconds_t)s->rest_us);
				then = now();
			}
			send(s, s->slots[0], buffer, number);
			receive(s, s->slots[1], buffer, number);
			then = add_trip(s->trips, then);
		} else {
			receive(s, s->slots[0], buffer, number);
			send(s, s->slots[1], buffer, number);
		}
	}
	atomic_fetch_add(&s->messages, ops);
	atomic_fetch_add(&s->waits, waits);
	atomic_fetch_add(&s->wakes, wakes);
	atomic_fetch_add(&s->slept, slept);
	return uncounted;
}

int main(int argc, char **argv) {
	if (argc != 9) {
		fprintf(stderr, "usage: message_trip copy|inplace BYTES spin|adaptive|park|asleep REST ROUNDS OPS CPU CPU\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 5);
	struct shared *s = map_shared(sizeof *s);
	s->copy = strcmp(argv[1], "copy") == 0;
	s->size = (size_t)atol(argv[2]);
	s->spins = strcmp(argv[3], "spin") == 0 || strcmp(argv[3], "adaptive") == 0;
	s->sleeps = strcmp(argv[3], "spin") != 0;
	s->busy = strcmp(argv[3], "asleep") == 0;
	s->rest_us = atol(argv[4]);
	if (s->size < 16)
		fail("a message has two words at least");
	for (int i = 0; i < 2; i++) {
		s->slots[i] = map_shared(sizeof *s->slots[i] + s->size);
		memset(s->slots[i], 0, sizeof *s->slots[i] + s->size);
	}
	s->trips = new_trips(r);
	run_race(r, message_trips, s);
	print_trips(r, s->trips);
	printf("waits %ld\nwakes %ld\nslept %ld\n", atomic_load(&s->waits), atomic_load(&s->wakes),
	       atomic_load(&s->slept));
	print_race(r, atomic_load(&s->messages));
	return 0;
}
