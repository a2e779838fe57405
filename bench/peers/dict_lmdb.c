// LMDB, a B+ tree in a mapped file, which lies in memory here and is never synchronized with a
// disk. A Set is a transaction, and a Get a read transaction that is begun anew. Usage: see dict.h,
// and behind that the directory of the file.
#include "dict.h"
#include <lmdb.h>

static struct plan plan;

struct store {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *reader;
};

static void must(int result) {
	if (result != 0) fail("lmdb", mdb_strerror(result));
}

static void *open_store(void *dir) {
	struct store *s = calloc(1, sizeof *s);
	MDB_txn *t;
	must(mdb_env_create(&s->env));
	must(mdb_env_set_mapsize(s->env, 1ull << 30));
	must(mdb_env_open(s->env, dir, MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NORDAHEAD, 0600));
	must(mdb_txn_begin(s->env, NULL, 0, &t));
	must(mdb_dbi_open(t, NULL, plan.key_bytes == 8 ? MDB_INTEGERKEY : 0, &s->dbi));
	must(mdb_txn_commit(t));
	must(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader));
	mdb_txn_reset(s->reader);
	return s;
}

static void put(struct store *s, MDB_txn *t, const unsigned char *key) {
	unsigned char value[100] = {0};
	MDB_val k = {plan.key_bytes, (void *)key}, v = {plan.value_bytes, value};
	must(mdb_put(t, s->dbi, &k, &v, 0));
}

static void turn(void *state, const unsigned char *key, int set) {
	struct store *s = state;
	if (set) {
		MDB_txn *t;
		must(mdb_txn_begin(s->env, NULL, 0, &t));
		put(s, t, key);
		must(mdb_txn_commit(t));
		return;
	}
	unsigned char got[100];
	MDB_val k = {plan.key_bytes, (void *)key}, v;
	must(mdb_txn_renew(s->reader));
	must(mdb_get(s->reader, s->dbi, &k, &v));
	memcpy(got, v.mv_data, plan.value_bytes);
	__asm__ volatile("" ::"r"(got) : "memory");
	mdb_txn_reset(s->reader);
}

static void load(const char *dir) {
	struct store *s = open_store((void *)dir);
	for (long i = 0; i < plan.keys;) {
		MDB_txn *t;
		must(mdb_txn_begin(s->env, NULL, 0, &t));
		for (int n = 0; n < 10000 && i < plan.keys; n++, i++) {
			unsigned char key[32];
			make_key(i, plan.key_bytes, key);
			put(s, t, key);
		}
		must(mdb_txn_commit(t));
	}
	mdb_txn_abort(s->reader);
	mdb_env_close(s->env);
}

int main(int argc, char **argv) {
	if (argc != 7) return 2;
	plan = plan_of(argv);
	pid_t loader = fork(); // an environment does not survive a fork
	if (loader == 0) {
		load(argv[6]);
		_exit(0);
	}
	int status;
	if (waitpid(loader, &status, 0) != loader || status != 0) fail("load", "failed");
	run(plan, open_store, argv[6], turn, plan.keys);
	return 0;
}
