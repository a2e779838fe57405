// The start line and the stop watch of the peer programs.
//
// A program starts one process per CPU it is given. In every round all of them meet at a start
// line where they spin, run one leg each, and note when it began and when it ended. At the end
// the parent prints one line per process and round, then the sum that the legs must have made:
//
//	lap ROUND START END SEEN DELAY
//	total VALUE
//
// START and END are nanoseconds of CLOCK_MONOTONIC, SEEN is the shared value just after the
// process finished its leg, or -1 when its operations are not counted in one place, DELAY is for
// how many nanoseconds of the round the process could have run but had no CPU, because another
// process had it.
#ifndef LAPS_H
#define LAPS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
#include <atomic>
#define _Alignas alignas
using std::atomic_fetch_add;
using std::atomic_load;
using std::atomic_load_explicit;
using std::atomic_long;
using std::memory_order_acquire;
#else
#include <stdatomic.h>
#endif

enum { max_rounds = 1024, max_procs = 64 };

struct lap {
	long start, end, seen, delay;
};

struct race {
	int rounds, procs;
	long ops; // of one process in one round
	int cpus[max_procs];
	struct lap laps[max_rounds][max_procs];
	_Alignas(128) atomic_long arrived;
	char pad[128 - sizeof(atomic_long)];
};

// A leg does ops operations as process number proc, and returns SEEN.
typedef long leg_func(void *shared, int proc, long ops);

enum { uncounted = -1 };

static void check(int failed, const char *what) {
	if (failed) {
		perror(what);
		exit(1);
	}
}

// must ends the program unless err, an error number as pthread functions return it, is 0.
static inline void must(int err, const char *what) {
	if (err) {
		fprintf(stderr, "%s: %s\n", what, strerror(err));
		exit(1);
	}
}

static inline void fail(const char *what) {
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void *map_shared(size_t size) {
	void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(p == MAP_FAILED, "mmap");
	return p;
}

static long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

// pin keeps the process on one CPU. A negative one leaves it where the kernel puts it.
static void pin(int cpu) {
	if (cpu < 0)
		return;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

// delayed returns for how many nanoseconds of its life this process has waited for a CPU: the
// second figure of its schedstat, 0 where the kernel does not count.
static inline long delayed(int schedstat) {
	char text[96];
	ssize_t n = pread(schedstat, text, sizeof text - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = 0;
	char *second = strchr(text, ' ');
	return second ? atol(second) : 0;
}

static inline void relax(void) {
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

// ease is the body of a loop that waits, at its tries'th look: now and then another process may
// have the CPU.
static inline void ease(long tries) {
	if (tries % 512 == 511)
		sched_yield();
	else
		relax();
}

static inline void start_line(struct race *r, int round) {
	long all = (long)(round + 1) * r->procs;
	atomic_fetch_add(&r->arrived, 1);
	for (long tries = 0; atomic_load_explicit(&r->arrived, memory_order_acquire) < all; tries++)
		ease(tries);
}

static inline void run_laps(struct race *r, int proc, leg_func *leg, void *shared) {
	pin(r->cpus[proc]);
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY);
	for (int round = 0; round < r->rounds; round++) {
		long delay = delayed(schedstat);
		start_line(r, round);
		long start = now();
		long seen = leg(shared, proc, r->ops);
		long end = now();
		delay = delayed(schedstat) - delay;
		struct lap l = {start, end, seen, delay};
		r->laps[round][proc] = l;
	}
}

// new_race reads ROUNDS OPS CPU... from the end of the command line.
static inline struct race *new_race(int argc, char **argv, int first) {
	struct race *r = (struct race *)map_shared(sizeof *r);
	r->procs = argc - first - 2;
	if (r->procs < 1 || r->procs > max_procs) {
		fprintf(stderr, "%s: want ROUNDS OPS CPU...\n", argv[0]);
		exit(2);
	}
	r->rounds = atoi(argv[first]);
	r->ops = atol(argv[first + 1]);
	if (r->rounds < 1 || r->rounds > max_rounds || r->ops < 1) {
		fprintf(stderr, "%s: rounds or operations out of range\n", argv[0]);
		exit(2);
	}
	for (int i = 0; i < r->procs; i++)
		r->cpus[i] = atoi(argv[first + 2 + i]);
	return r;
}

// run_race runs every process to its end; one that fails ends them all, for the others would
// spin at the start line for ever.
static inline void run_race(struct race *r, leg_func *leg, void *shared) {
	pid_t pids[max_procs];
	for (int i = 0; i < r->procs; i++) {
		pids[i] = fork();
		check(pids[i] < 0, "fork");
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run_laps(r, i, leg, shared);
			_exit(0);
		}
	}
	int failed = 0;
	for (int left = r->procs; left > 0; left--) {
		int status;
		check(wait(&status) < 0, "wait");
		if (status != 0 && !failed++)
			for (int i = 0; i < r->procs; i++)
				kill(pids[i], SIGKILL);
	}
	if (failed) {
		fprintf(stderr, "a measured process failed\n");
		exit(1);
	}
}

static inline void print_race(struct race *r, long total) {
	for (int round = 0; round < r->rounds; round++)
		for (int i = 0; i < r->procs; i++) {
			struct lap *l = &r->laps[round][i];
			printf("lap %d %ld %ld %ld %ld\n", round, l->start, l->end, l->seen, l->delay);
		}
	printf("total %ld\n", total);
}

#endif
