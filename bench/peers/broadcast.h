// A ring that one writer goes round without waiting for its readers. Readers have positions of
// their own, and lose what was overwritten.
//
// The writer says how far it is after each batch. Each slot has a number, as in a sequence lock: a
// reader copies the message, then looks whether the number has changed.
#ifndef BROADCAST_H
#define BROADCAST_H

#include "stream.h"

struct sequenced {
	atomic_ulong number; // of the message at position p: 2p+1 while it is written, then 2p+2
	struct message message;
};

struct broadcast {
	_Alignas(128) atomic_ulong next; // earlier positions have been written
	_Alignas(128) struct sequenced slots[stream_slots];
};

static void put_broadcast(void *shared, const struct stream *stream, long n) {
	static unsigned long next;
	struct broadcast *b = shared;
	const int batch = stream->batch;
	for (; n > 0; n -= batch) {
		for (int i = 0; i < batch; i++, next++) {
			struct sequenced *slot = &b->slots[next % stream_slots];
			atomic_store_explicit(&slot->number, 2 * next + 1, memory_order_relaxed);
			// a reader that copies what comes now sees the number changed
			atomic_thread_fence(memory_order_release);
			next_message(&source, &slot->message);
			atomic_store_explicit(&slot->number, 2 * next + 2, memory_order_release);
		}
		atomic_store_explicit(&b->next, next, memory_order_release);
	}
}

// read_message copies the message of a position that has been written, and reports whether it is
// still there. Otherwise m may be torn.
static int read_message(struct broadcast *b, unsigned long at, struct message *m) {
	struct sequenced *slot = &b->slots[at % stream_slots];
	if (atomic_load_explicit(&slot->number, memory_order_acquire) != 2 * at + 2)
		return 0;
	*m = slot->message;
	// the copy was made before the number is looked at again
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&slot->number, memory_order_relaxed) == 2 * at + 2;
}

// fall_behind returns the position of the oldest message that the writer's next batch does not
// overwrite, for a reader that has lost its message. While the writer has not said how far it
// is by now, that is the same message.
static unsigned long fall_behind(struct broadcast *b, const struct stream *stream, unsigned long at) {
	unsigned long next = atomic_load_explicit(&b->next, memory_order_acquire);
	unsigned long kept = next + (unsigned long)stream->batch - stream_slots;
	if (next < stream_slots || kept <= at)
		return at;
	lose_messages(&sink, (long)(kept - at));
	return kept;
}

static void get_broadcast(void *shared, const struct stream *stream, long n) {
	static unsigned long at, next; // next as it was when last seen
	struct broadcast *b = shared;
	for (const unsigned long end = at + (unsigned long)n; at < end;) {
		struct message m;
		for (long tries = 0; next <= at; tries++) {
			if (tries)
				ease(tries);
			next = atomic_load_explicit(&b->next, memory_order_acquire);
		}
		if (!read_message(b, at, &m)) {
			at = fall_behind(b, stream, at);
			continue;
		}
		take_message(stream, &sink, &m);
		at++;
	}
}

#endif
