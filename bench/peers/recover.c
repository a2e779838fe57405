// Times how soon a process that waits for a robust glibc mutex holds it after the holder was
// killed with SIGKILL.
//
//	recover KILLS AGE WAITER_CPU HOLDER_CPU
//
// Every kill has a new holder, which has held the lock for AGE microseconds; the waiter lives
// through all of them and is asleep before the kill. Prints the nanoseconds from before the kill
// until the waiter holds the lock:
//
//	recovered NANOSECONDS
#include "laps.h"

#include <errno.h>
#include <pthread.h>

struct shared {
	pthread_mutex_t mutex;
	atomic_long held;     // number of the holder that has the lock
	atomic_long waiting;  // number of the holder that the waiter is about to wait for
	atomic_long taken;    // number of the holder that the waiter succeeded
	atomic_long taken_at; // when
};

static void expect(int err, int want, const char *what) {
	if (err != want) {
		fprintf(stderr, "%s: %s\n", what, strerror(err));
		exit(1);
	}
}

static void await(atomic_long *word, long value) {
	while (atomic_load(word) != value)
		usleep(50);
}

// await_from awaits what a child does, and fails when the child ends instead.
static void await_from(pid_t child, atomic_long *word, long value) {
	while (atomic_load(word) != value) {
		if (waitpid(child, 0, WNOHANG) != 0) {
			fprintf(stderr, "a child ended too early\n");
			exit(1);
		}
		usleep(50);
	}
}

static void hold(struct shared *s, long number, int cpu) {
	pin(cpu);
	must(pthread_mutex_lock(&s->mutex), "lock of the holder");
	atomic_store(&s->held, number);
	for (;;)
		pause();
}

static void wait_for_deaths(struct shared *s, long kills, int cpu) {
	pin(cpu);
	for (long k = 1; k <= kills; k++) {
		await(&s->held, k);
		atomic_store(&s->waiting, k);
		expect(pthread_mutex_lock(&s->mutex), EOWNERDEAD, "lock of the waiter");
		atomic_store(&s->taken_at, now());
		must(pthread_mutex_consistent(&s->mutex), "consistent");
		must(pthread_mutex_unlock(&s->mutex), "unlock");
		atomic_store(&s->taken, k);
	}
	for (;;)
		pause(); // until the end of the parent
}

static int asleep(pid_t pid) {
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	check(!f, path);
	check(!fgets(line, sizeof line, f), path);
	fclose(f);
	char *paren = strrchr(line, ')');
	return paren && paren[2] == 'S';
}

// await_parked returns when the process has been found asleep at three looks in a row.
static void await_parked(pid_t pid) {
	for (int looks = 0; looks < 3;) {
		looks = asleep(pid) ? looks + 1 : 0;
		usleep(1000);
	}
}

static pid_t start(void) {
	pid_t pid = fork();
	check(pid < 0, "fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void kill_holder(struct shared *s, long k, long age, pid_t waiter, int cpu) {
	pid_t holder = start();
	if (holder == 0)
		hold(s, k, cpu);
	await_from(holder, &s->held, k);
	await_from(waiter, &s->waiting, k);
	usleep(age);
	await_parked(waiter);
	long killed_at = now();
	check(kill(holder, SIGKILL), "kill");
	check(waitpid(holder, 0, 0) < 0, "waitpid");
	await_from(waiter, &s->taken, k);
	printf("recovered %ld\n", atomic_load(&s->taken_at) - killed_at);
}

int main(int argc, char **argv) {
	if (argc != 5) {
		fprintf(stderr, "usage: recover KILLS AGE WAITER_CPU HOLDER_CPU\n");
		return 2;
	}
	long kills = atol(argv[1]);
	struct shared *s = map_shared(sizeof *s);
	pthread_mutexattr_t attr;
	must(pthread_mutexattr_init(&attr), "mutexattr_init");
	must(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), "setpshared");
	must(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), "setrobust");
	must(pthread_mutex_init(&s->mutex, &attr), "mutex_init");

	pid_t waiter = start();
	if (waiter == 0)
		wait_for_deaths(s, kills, atoi(argv[3]));
	for (long k = 1; k <= kills; k++)
		kill_holder(s, k, atol(argv[2]), waiter, atoi(argv[4]));
	return 0;
}
