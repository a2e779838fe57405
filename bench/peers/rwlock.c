// Times a glibc read-write lock shared between processes.
//
//	rwlock rlock|wlock ROUNDS OPS CPU...
//
// Readers read an integer, writers increment it. It lies on a cache line of its own, so that
// readers share that line; total is the sum of what was read, or the integer.
#include "laps.h"

#include <errno.h>
#include <pthread.h>

struct guarded {
	_Alignas(128) pthread_rwlock_t lock;
	_Alignas(128) volatile long value;
	_Alignas(128) atomic_long sum; // of what readers have read
};

static long read_locked(void *shared, int proc, long ops) {
	struct guarded *g = shared;
	(void)proc;
	long sum = 0;
	for (long i = 0; i < ops; i++) {
		must(pthread_rwlock_rdlock(&g->lock), "rdlock");
		sum += g->value;
		must(pthread_rwlock_unlock(&g->lock), "unlock");
	}
	atomic_fetch_add(&g->sum, sum);
	return uncounted;
}

static long write_locked(void *shared, int proc, long ops) {
	struct guarded *g = shared;
	(void)proc;
	for (long i = 0; i < ops; i++) {
		must(pthread_rwlock_wrlock(&g->lock), "wrlock");
		g->value++;
		must(pthread_rwlock_unlock(&g->lock), "unlock");
	}
	return g->value;
}

static struct guarded *new_guarded(void) {
	struct guarded *g = map_shared(sizeof *g);
	pthread_rwlockattr_t attr;
	must(pthread_rwlockattr_init(&attr), "rwlockattr_init");
	must(pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), "setpshared");
	must(pthread_rwlock_init(&g->lock, &attr), "rwlock_init");
	return g;
}

// check_exclusive fails unless the lock was left free, lets in readers together, and a writer
// alone.
static void check_exclusive(struct guarded *g) {
	must(pthread_rwlock_trywrlock(&g->lock), "trywrlock of the free lock");
	if (pthread_rwlock_tryrdlock(&g->lock) != EBUSY)
		fail("a reader came in beside the writer");
	must(pthread_rwlock_unlock(&g->lock), "unlock");
	must(pthread_rwlock_tryrdlock(&g->lock), "tryrdlock of the free lock");
	must(pthread_rwlock_tryrdlock(&g->lock), "tryrdlock beside a reader");
	if (pthread_rwlock_trywrlock(&g->lock) != EBUSY)
		fail("a writer came in beside readers");
}

int main(int argc, char **argv) {
	if (argc < 2) {
		fprintf(stderr, "usage: rwlock rlock|wlock ROUNDS OPS CPU...\n");
		return 2;
	}
	int reading = strcmp(argv[1], "rlock") == 0;
	struct race *r = new_race(argc, argv, 2);
	struct guarded *g = new_guarded();
	g->value = reading; // so that the sum counts the reads
	run_race(r, reading ? read_locked : write_locked, g);
	check_exclusive(g);
	print_race(r, reading ? atomic_load(&g->sum) : g->value);
	return 0;
}
