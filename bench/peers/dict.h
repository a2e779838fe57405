// What the peers of BenchmarkDict in C have in common: keys, the stream of operations, and a board
// on which the processes say how long they took. Usage of each: KEYBYTES KEYS OPS PROCS SETS, where
// KEYBYTES is 8 (values of 8 bytes) or 32 (values of 100), and SETS a percentage. Each prints the
// nanoseconds that an operation takes in each process.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct plan {
	int key_bytes, value_bytes, procs, sets;
	long keys, ops;
};

struct board {
	volatile int ready, go;
	double ns[8];
};

static void fail(const char *what, const char *why) {
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static struct plan plan_of(char **argv) {
	struct plan p = {atoi(argv[1]), atoi(argv[1]) == 8 ? 8 : 100, atoi(argv[4]), atoi(argv[5]), atol(argv[2]), atol(argv[3])};
	return p;
}

static uint64_t mix(uint64_t x) {
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static void make_key(uint64_t i, int bytes, unsigned char *key) {
	int words = bytes / 8;
	for (int j = 0; j < words; j++) {
		uint64_t w = (words * i + j) * 0x9e3779b97f4a7c15ull;
		memcpy(key + 8 * j, &w, 8);
	}
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

typedef void turn_func(void *state, const unsigned char *key, int set);

// Runs the processes of a plan. Each opens its own state, looks at first_looks keys, and then does
// its operations.
static void run(struct plan p, void *(*open)(void *), void *arg, turn_func *turn, long first_looks) {
	struct board *board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int q = 0; q < p.procs; q++) {
		if (fork() != 0) continue;
		void *state = open(arg);
		unsigned char key[32];
		for (long i = 0; i < first_looks; i++) {
			make_key(i, p.key_bytes, key);
			turn(state, key, 0);
		}
		uint64_t seed = mix(1000 + q);
		__atomic_add_fetch(&board->ready, 1, __ATOMIC_SEQ_CST);
		while (!board->go) {
		}
		double began = now();
		for (long n = 0; n < p.ops; n++) {
			seed += 0x9e3779b97f4a7c15ull;
			uint64_t x = mix(seed);
			make_key((x >> 16) % p.keys, p.key_bytes, key);
			turn(state, key, (int)(x % 100) < p.sets);
		}
		board->ns[q] = (now() - began) / p.ops;
		_exit(0);
	}
	while (board->ready < p.procs) {
		int status;
		if (waitpid(-1, &status, WNOHANG) > 0) fail("a process", "has ended before it was ready");
		usleep(1000);
	}
	board->go = 1;
	for (int status; wait(&status) > 0;) {
		if (status != 0) fail("a process", "has failed");
	}
	double sum = 0;
	for (int q = 0; q < p.procs; q++) sum += board->ns[q];
	printf("%.1f\n", sum / p.procs);
}
