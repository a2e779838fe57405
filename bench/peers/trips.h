// How long each single operation of a race took, as process 0 saw it.
//
// Printed before the laps, in order:
//
//	trip ROUND NANOSECONDS
#ifndef TRIPS_H
#define TRIPS_H

#include "laps.h"

struct trips {
	long *ns, made; // shared, written by process 0
};

static inline struct trips *new_trips(struct race *r) {
	struct trips *t = (struct trips *)map_shared(sizeof *t);
	t->ns = (long *)map_shared(sizeof *t->ns * r->rounds * r->ops);
	return t;
}

// add_trip notes a trip that began then, and returns when it ended.
static inline long add_trip(struct trips *t, long then) {
	long end = now();
	t->ns[t->made++] = end - then;
	return end;
}

static inline void print_trips(struct race *r, struct trips *t) {
	if (t->made != r->rounds * r->ops)
		fail("a trip is missing");
	for (long i = 0; i < t->made; i++)
		printf("trip %ld %ld\n", i / r->ops, t->ns[i]);
}

#endif
