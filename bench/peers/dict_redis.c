// A redis server on a unix socket, one request at a time. Usage: see dict.h, and behind that the
// path of the socket.
#include "dict.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct plan plan;

struct link {
	int socket;
	char out[512], in[512];
};

static void *dial(void *path) {
	struct link *l = calloc(1, sizeof *l);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "%s", (char *)path);
	l->socket = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(l->socket, (void *)&a, sizeof a) != 0) fail("connect", path);
	return l;
}

// Writes a bulk string of the protocol.
static char *bulk(char *to, const void *bytes, int n) {
	to += sprintf(to, "$%d\r\n", n);
	memcpy(to, bytes, n);
	memcpy(to + n, "\r\n", 2);
	return to + n + 2;
}

static char *request(char *to, const unsigned char *key, int set) {
	static const unsigned char value[100];
	to += sprintf(to, set ? "*3\r\n$3\r\nSET\r\n" : "*2\r\n$3\r\nGET\r\n");
	to = bulk(to, key, plan.key_bytes);
	return set ? bulk(to, value, plan.value_bytes) : to;
}

static void exchange(struct link *l, const char *out, int n, int want) {
	if (write(l->socket, out, n) != n) fail("write", "the server is gone");
	for (int got = 0; got < want;) {
		int r = read(l->socket, l->in, sizeof l->in);
		if (r <= 0 || (got == 0 && (l->in[0] == '-' || (l->in[0] == '$' && l->in[1] == '-')))) fail("read", "no answer, or not the one of a key that is there");
		got += r;
	}
}

static void turn(void *state, const unsigned char *key, int set) {
	struct link *l = state;
	int found = snprintf(NULL, 0, "$%d\r\n", plan.value_bytes) + plan.value_bytes + 2;
	exchange(l, l->out, request(l->out, key, set) - l->out, set ? 5 : found); // 5: "+OK\r\n"
}

static void load(char *path) {
	struct link *l = dial(path);
	const char *flush = "*1\r\n$8\r\nFLUSHALL\r\n";
	exchange(l, flush, strlen(flush), 5);
	static char many[200 * 256];
	for (long i = 0; i < plan.keys;) {
		char *to = many;
		int n = 0;
		for (; n < 200 && i < plan.keys; n++, i++) {
			unsigned char key[32];
			make_key(i, plan.key_bytes, key);
			to = request(to, key, 1);
		}
		exchange(l, many, to - many, 5 * n);
	}
	close(l->socket);
}

int main(int argc, char **argv) {
	if (argc != 7) return 2;
	plan = plan_of(argv);
	load(argv[6]);
	run(plan, dial, argv[6], turn, 0);
	return 0;
}
