// Times a glibc mutex shared between processes.
//
//	lock plain|robust empty|increment ROUNDS OPS CPU...
//
// The integer lies on the cache line of the mutex, which is the best place for it.
#include "laps.h"

#include <errno.h>
#include <pthread.h>

struct guarded {
	_Alignas(128) pthread_mutex_t mutex;
	volatile long value;
};

_Static_assert(sizeof(pthread_mutex_t) + sizeof(long) <= 64, "mutex and value on one cache line");

static long lock_unlock(void *shared, int proc, long ops) {
	struct guarded *g = shared;
	(void)proc;
	for (long i = 0; i < ops; i++) {
		must(pthread_mutex_lock(&g->mutex), "lock");
		must(pthread_mutex_unlock(&g->mutex), "unlock");
	}
	return 0;
}

static long lock_increment_unlock(void *shared, int proc, long ops) {
	struct guarded *g = shared;
	(void)proc;
	for (long i = 0; i < ops; i++) {
		must(pthread_mutex_lock(&g->mutex), "lock");
		g->value++;
		must(pthread_mutex_unlock(&g->mutex), "unlock");
	}
	return g->value;
}

static struct guarded *new_guarded(int robust) {
	struct guarded *g = map_shared(sizeof *g);
	pthread_mutexattr_t attr;
	must(pthread_mutexattr_init(&attr), "mutexattr_init");
	must(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), "setpshared");
	if (robust)
		must(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), "setrobust");
	must(pthread_mutex_init(&g->mutex, &attr), "mutex_init");
	return g;
}

// check_exclusive fails unless the lock was left free and lets in one at a time.
static void check_exclusive(struct guarded *g) {
	must(pthread_mutex_trylock(&g->mutex), "trylock of the free lock");
	if (pthread_mutex_trylock(&g->mutex) != EBUSY)
		fail("trylock took a held lock");
	must(pthread_mutex_unlock(&g->mutex), "unlock");
}

int main(int argc, char **argv) {
	if (argc < 3) {
		fprintf(stderr, "usage: lock plain|robust empty|increment ROUNDS OPS CPU...\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 3);
	struct guarded *g = new_guarded(strcmp(argv[1], "robust") == 0);
	run_race(r, strcmp(argv[2], "increment") == 0 ? lock_increment_unlock : lock_unlock, g);
	check_exclusive(g);
	print_race(r, g->value);
	return 0;
}
