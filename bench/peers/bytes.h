// Rings of bytes, in which a position counts bytes from the first that was ever put.
//
//	bytes  messages of any length, each behind its length, for any number of producers and consumers: those of a side have a lock
//	pipe   a stream of bytes, from one process to another
#ifndef BYTES_H
#define BYTES_H

#include "stream.h"

// A side of a ring of bytes.
struct side {
	_Alignas(128) atomic_ulong position; // earlier bytes have been got, or put
	_Alignas(128) atomic_int locked;     // waiters at the other side do not look here
};

// copy_in copies n bytes to a position of a ring, the size of which is a power of two; copy_out
// copies them from there.
static inline void copy_in(char *ring, size_t size, unsigned long at, const void *from, size_t n) {
	size_t offset = at % size, left = size - offset;
	if (n <= left) {
		memcpy(ring + offset, from, n);
		return;
	}
	memcpy(ring + offset, from, left);
	memcpy(ring, (const char *)from + left, n - left);
}

static inline void copy_out(const char *ring, size_t size, unsigned long at, void *to, size_t n) {
	size_t offset = at % size, left = size - offset;
	if (n <= left) {
		memcpy(to, ring + offset, n);
		return;
	}
	memcpy(to, ring + offset, left);
	memcpy((char *)to + left, ring, n - left);
}

enum { bytes_ring = 128 << 10, length_bytes = sizeof(uint64_t) };

struct bytes {
	struct side head, tail;
	_Alignas(128) char ring[bytes_ring];
};

// lock admits one process of a side. Where there is one only, none needs it.
static inline void lock(struct side *s, int procs) {
	if (procs == 1)
		return;
	for (long tries = 0; atomic_exchange_explicit(&s->locked, 1, memory_order_acquire); tries++)
		ease(tries);
}

static inline void unlock(struct side *s, int procs) {
	if (procs > 1)
		atomic_store_explicit(&s->locked, 0, memory_order_release);
}

// record_bytes is what a message of n bytes takes, so that no length is at both ends of the ring.
static inline unsigned long record_bytes(size_t n) { return (length_bytes + n + 7) / 8 * 8; }

// lock_room locks the producers' side when there is room for n bytes, and returns the position.
static unsigned long lock_room(struct bytes *q, int producers, unsigned long n) {
	static unsigned long head; // as it was when last seen
	for (long tries = 0;; tries++) {
		lock(&q->tail, producers);
		unsigned long tail = atomic_load_explicit(&q->tail.position, memory_order_relaxed);
		if (tail + n - head > bytes_ring)
			head = atomic_load_explicit(&q->head.position, memory_order_acquire);
		if (tail + n - head <= bytes_ring)
			return tail;
		unlock(&q->tail, producers);
		ease(tries);
	}
}

static void put_bytes(void *shared, const struct stream *stream, long n) {
	struct bytes *q = shared;
	const int batch = stream->batch, producers = stream->producers;
	const uint64_t length = sizeof(struct message);
	struct message m = {0};
	for (; n > 0; n -= batch) {
		unsigned long tail = lock_room(q, producers, (unsigned long)batch * record_bytes(length));
		for (int i = 0; i < batch; i++) {
			next_message(&source, &m);
			copy_in(q->ring, bytes_ring, tail, &length, sizeof length);
			copy_in(q->ring, bytes_ring, tail + length_bytes, &m, length);
			tail += record_bytes(length);
		}
		atomic_store_explicit(&q->tail.position, tail, memory_order_release);
		unlock(&q->tail, producers);
	}
}

// lock_messages locks the consumers' side when there are messages, and returns the position. Those
// before *end are there.
static unsigned long lock_messages(struct bytes *q, int consumers, unsigned long *end) {
	static unsigned long tail; // as it was when last seen: others may have got what was there
	for (long tries = 0;; tries++) {
		lock(&q->head, consumers);
		unsigned long head = atomic_load_explicit(&q->head.position, memory_order_relaxed);
		if ((long)(tail - head) <= 0)
			tail = atomic_load_explicit(&q->tail.position, memory_order_acquire);
		if (tail != head) {
			*end = tail;
			return head;
		}
		unlock(&q->head, consumers);
		ease(tries);
	}
}

static void get_bytes(void *shared, const struct stream *stream, long n) {
	static struct message ms[stream_slots];
	struct bytes *q = shared;
	const int consumers = stream->consumers;
	while (n > 0) {
		const long most = n < stream->batch ? n : stream->batch;
		unsigned long end, head = lock_messages(q, consumers, &end);
		long k = 0;
		for (; k < most && head != end; k++) {
			uint64_t length;
			copy_out(q->ring, bytes_ring, head, &length, sizeof length);
			if (length > sizeof ms[k])
				fail("a message is too long");
			copy_out(q->ring, bytes_ring, head + length_bytes, &ms[k], length);
			if (length != sizeof ms[k])
				fail("a message has the wrong length");
			head += record_bytes(length);
		}
		atomic_store_explicit(&q->head.position, head, memory_order_release);
		unlock(&q->head, consumers);
		for (long i = 0; i < k; i++)
			take_message(stream, &sink, &ms[i]);
		n -= k;
	}
}

enum {
	pipe_ring = 64 << 10,
	pipe_piece = 16 << 10, // what is copied before the other side learns of it
};

struct pipe {
	struct side head, tail;
	_Alignas(128) char ring[pipe_ring];
};

static inline unsigned long least(unsigned long a, unsigned long b) { return a < b ? a : b; }

static void write_all(struct pipe *p, const char *from, unsigned long n) {
	static unsigned long tail, head;
	while (n > 0) {
		for (long tries = 0; tail - head == pipe_ring; tries++) {
			if (tries)
				ease(tries);
			head = atomic_load_explicit(&p->head.position, memory_order_acquire);
		}
		unsigned long k = least(least(n, pipe_ring - (tail - head)), pipe_piece);
		copy_in(p->ring, pipe_ring, tail, from, k);
		tail += k;
		from += k;
		n -= k;
		atomic_store_explicit(&p->tail.position, tail, memory_order_release);
	}
}

static void read_all(struct pipe *p, char *to, unsigned long n) {
	static unsigned long tail, head;
	while (n > 0) {
		for (long tries = 0; head == tail; tries++) {
			if (tries)
				ease(tries);
			tail = atomic_load_explicit(&p->tail.position, memory_order_acquire);
		}
		unsigned long k = least(least(n, tail - head), pipe_piece);
		copy_out(p->ring, pipe_ring, head, to, k);
		head += k;
		to += k;
		n -= k;
		atomic_store_explicit(&p->head.position, head, memory_order_release);
	}
}

static struct message pieces[stream_slots]; // of one write, or read

static void put_pipe(void *shared, const struct stream *stream, long n) {
	const int batch = stream->batch;
	for (; n > 0; n -= batch) {
		for (int i = 0; i < batch; i++)
			next_message(&source, &pieces[i]);
		write_all(shared, (const char *)pieces, (unsigned long)batch * sizeof pieces[0]);
	}
}

static void get_pipe(void *shared, const struct stream *stream, long n) {
	const int batch = stream->batch;
	for (; n > 0; n -= batch) {
		read_all(shared, (char *)pieces, (unsigned long)batch * sizeof pieces[0]);
		for (int i = 0; i < batch; i++)
			take_message(stream, &sink, &pieces[i]);
	}
}

#endif
