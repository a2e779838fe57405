// Times how two processes wait for each other, with glibc objects shared between processes.
//
//	trips event|cond|barrier ROUNDS OPS CPU CPU
//
//	event    process 0 sets an event and awaits the other one's; there and back is one trip.
//	         An event is a flag, a mutex and a condition variable.
//	cond     the two take turns under one mutex, and wake each other by one condition variable
//	barrier  both come to a barrier; one crossing is one trip
//
// With event and cond, each process increments an integer when it has the turn: total is twice
// the trips. At a barrier each counts its arrivals, and finds the count of the other one as high
// when it has crossed: total is the sum of both counts.
//
// Besides laps and trips it prints "sleeps N", the voluntary context switches of both processes:
// glibc makes its futex calls itself, where the program cannot count them.
#include "trips.h"

#include <pthread.h>
#include <sys/resource.h>

struct event {
	_Alignas(128) pthread_mutex_t mutex;
	pthread_cond_t cond;
	int set;
};

struct shared {
	struct event events[2];
	_Alignas(128) pthread_mutex_t mutex;
	pthread_cond_t cond;
	int turn; // number of the process
	_Alignas(128) pthread_barrier_t barrier;
	_Alignas(128) volatile long value;
	struct {
		_Alignas(128) atomic_long count;
	} arrivals[2];
	struct trips *trips;
};

static void set(struct event *e) {
	must(pthread_mutex_lock(&e->mutex), "lock");
	e->set = 1;
	must(pthread_mutex_unlock(&e->mutex), "unlock");
	must(pthread_cond_broadcast(&e->cond), "broadcast");
}

static void await_and_clear(struct event *e) {
	must(pthread_mutex_lock(&e->mutex), "lock");
	while (!e->set)
		must(pthread_cond_wait(&e->cond, &e->mutex), "cond_wait");
	e->set = 0;
	must(pthread_mutex_unlock(&e->mutex), "unlock");
}

static long event_trips(void *shared, int proc, long ops) {
	struct shared *s = shared;
	long then = now();
	for (long i = 0; i < ops; i++) {
		if (proc == 0) {
			s->value++;
			set(&s->events[0]);
			await_and_clear(&s->events[1]);
			then = add_trip(s->trips, then);
		} else {
			await_and_clear(&s->events[0]);
			s->value++;
			set(&s->events[1]);
		}
	}
	return uncounted;
}

static void await_turn(struct shared *s, int proc) {
	while (s->turn != proc)
		must(pthread_cond_wait(&s->cond, &s->mutex), "cond_wait");
}

static void pass_turn(struct shared *s, int proc) {
	s->value++;
	s->turn = 1 - proc;
	must(pthread_cond_signal(&s->cond), "signal");
}

static long cond_trips(void *shared, int proc, long ops) {
	struct shared *s = shared;
	long then = now();
	for (long i = 0; i < ops; i++) {
		must(pthread_mutex_lock(&s->mutex), "lock");
		if (proc == 0)
			pass_turn(s, proc);
		await_turn(s, proc);
		if (proc == 1)
			pass_turn(s, proc);
		must(pthread_mutex_unlock(&s->mutex), "unlock");
		if (proc == 0)
			then = add_trip(s->trips, then);
	}
	return uncounted;
}

static long barrier_trips(void *shared, int proc, long ops) {
	struct shared *s = shared;
	long arrived = s->arrivals[proc].count;
	long then = now();
	for (long i = 0; i < ops; i++) {
		arrived++;
		atomic_store_explicit(&s->arrivals[proc].count, arrived, memory_order_relaxed);
		int err = pthread_barrier_wait(&s->barrier);
		if (err != PTHREAD_BARRIER_SERIAL_THREAD)
			must(err, "barrier_wait");
		if (atomic_load_explicit(&s->arrivals[1 - proc].count, memory_order_relaxed) < arrived)
			fail("a process crossed the barrier alone");
		if (proc == 0)
			then = add_trip(s->trips, then);
	}
	return uncounted;
}

static void init(pthread_mutex_t *mutex, pthread_cond_t *cond) {
	pthread_mutexattr_t m;
	must(pthread_mutexattr_init(&m), "mutexattr_init");
	must(pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED), "setpshared");
	must(pthread_mutex_init(mutex, &m), "mutex_init");
	pthread_condattr_t c;
	must(pthread_condattr_init(&c), "condattr_init");
	must(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED), "setpshared");
	must(pthread_cond_init(cond, &c), "cond_init");
}

static struct shared *new_shared(struct race *r) {
	struct shared *s = map_shared(sizeof *s);
	for (int i = 0; i < 2; i++)
		init(&s->events[i].mutex, &s->events[i].cond);
	init(&s->mutex, &s->cond);
	pthread_barrierattr_t b;
	must(pthread_barrierattr_init(&b), "barrierattr_init");
	must(pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED), "setpshared");
	must(pthread_barrier_init(&s->barrier, &b, 2), "barrier_init");
	s->trips = new_trips(r);
	return s;
}

static leg_func *leg_of(const char *object) {
	if (strcmp(object, "event") == 0)
		return event_trips;
	if (strcmp(object, "cond") == 0)
		return cond_trips;
	if (strcmp(object, "barrier") == 0)
		return barrier_trips;
	return NULL;
}

int main(int argc, char **argv) {
	leg_func *leg = argc > 1 ? leg_of(argv[1]) : NULL;
	if (argc != 6 || !leg) {
		fprintf(stderr, "usage: trips event|cond|barrier ROUNDS OPS CPU CPU\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 2);
	struct shared *s = new_shared(r);
	run_race(r, leg, s);
	print_trips(r, s->trips);
	struct rusage used;
	check(getrusage(RUSAGE_CHILDREN, &used) < 0, "getrusage");
	printf("sleeps %ld\n", used.ru_nvcsw);
	print_race(r, leg == barrier_trips ? s->arrivals[0].count + s->arrivals[1].count : s->value);
	return 0;
}
