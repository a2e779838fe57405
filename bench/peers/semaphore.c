// Times a POSIX semaphore with one unit, shared between processes.
//
//	semaphore ROUNDS OPS CPU...
#include "laps.h"

#include <errno.h>
#include <semaphore.h>

// check_exclusive fails unless the unit is there, and is the only one.
static void check_exclusive(sem_t *s) {
	check(sem_trywait(s), "take the unit");
	if (sem_trywait(s) == 0 || errno != EAGAIN)
		fail("a unit too many");
	check(sem_post(s), "sem_post");
}

static long acquire_release(void *shared, int proc, long ops) {
	sem_t *s = shared;
	(void)proc;
	check_exclusive(s);
	for (long i = 0; i < ops; i++) {
		check(sem_wait(s), "sem_wait");
		check(sem_post(s), "sem_post");
	}
	check_exclusive(s);
	return 0;
}

int main(int argc, char **argv) {
	struct race *r = new_race(argc, argv, 1);
	sem_t *s = map_shared(sizeof *s);
	check(sem_init(s, 1, 1), "sem_init");
	run_race(r, acquire_release, s);
	print_race(r, 0);
	return 0;
}
