// Times an atomic add to one word, which all processes share.
//
//	counter ROUNDS OPS CPU...
#include "laps.h"

struct counter {
	_Alignas(128) atomic_long value;
};

static long add(void *shared, int proc, long ops) {
	struct counter *c = shared;
	(void)proc;
	for (long i = 0; i < ops; i++)
		atomic_fetch_add(&c->value, 1);
	return atomic_load(&c->value);
}

int main(int argc, char **argv) {
	struct race *r = new_race(argc, argv, 1);
	struct counter *c = map_shared(sizeof *c);
	run_race(r, add, c);
	print_race(r, atomic_load(&c->value));
	return 0;
}
