// Times messages of 64 bytes from processes to others: the floor.
//
//	message_stream spsc|queue|bytes|pipe|broadcast BATCH PRODUCERS ROUNDS OPS CPU...
#include "broadcast.h"
#include "bytes.h"
#include "slots.h"

static const struct kind {
	const char *name;
	size_t size;
	void (*make)(void *); // of zeros; may be 0
	void (*put)(void *, const struct stream *, long);
	void (*get)(void *, const struct stream *, long);
	int single; // one producer, and one consumer for each message
	int to_all; // each message goes to all consumers, which are readers then
} kinds[] = {
	{"spsc", sizeof(struct spsc), 0, put_spsc, get_spsc, 1, 0},
	{"queue", sizeof(struct queue), make_queue, put_queue, get_queue, 0, 0},
	{"bytes", sizeof(struct bytes), 0, put_bytes, get_bytes, 0, 0},
	{"pipe", sizeof(struct pipe), 0, put_pipe, get_pipe, 1, 0},
	{"broadcast", sizeof(struct broadcast), 0, put_broadcast, get_broadcast, 1, 1},
};

static const struct kind *kind_of(const char *name) {
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fail("there is no such kind");
	return 0;
}

struct shared {
	const struct kind *kind;
	struct stream *stream;
	void *ring;
};

static long leg(void *shared, int proc, long ops) {
	struct shared *s = shared;
	if (proc < s->stream->producers) {
		source.producer = (uint64_t)proc;
		s->kind->put(s->ring, s->stream, ops / s->stream->producers);
	} else {
		s->kind->get(s->ring, s->stream, ops / s->stream->consumers);
		finish_leg(s->stream, &sink);
	}
	return uncounted;
}

int main(int argc, char **argv) {
	if (argc < 8) {
		fprintf(stderr, "usage: message_stream spsc|queue|bytes|pipe|broadcast BATCH PRODUCERS ROUNDS OPS CPU...\n");
		return 2;
	}
	struct race *r = new_race(argc, argv, 4);
	struct shared s = {kind_of(argv[1]), new_stream(r, atoi(argv[3]), atoi(argv[2])), 0};
	if (s.kind->to_all)
		give_to_all(s.stream);
	if (s.kind->single && s.stream->producers * s.stream->consumers > 1)
		fail("too many producers or consumers for the kind");
	s.ring = map_shared(s.kind->size);
	if (s.kind->make)
		s.kind->make(s.ring);
	run_race(r, leg, &s);
	print_stream(r, s.stream);
	return 0;
}
