// A map in shared memory as it is made with Boost: an unordered_map with an allocator of a managed
// segment, guarded by a mutex between processes. Usage: KEYBYTES KEYS OPS PROCS SETS, where
// KEYBYTES is 8 (values of 8 bytes) or 32 (values of 100), and SETS a percentage. It prints the
// nanoseconds that an operation takes in each process.
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bi = boost::interprocess;

struct Key32 {
	uint64_t w[4];
	bool operator==(const Key32 &o) const { return !memcmp(w, o.w, sizeof w); }
};
struct Value100 {
	unsigned char b[100];
};

static uint64_t mix(uint64_t x) {
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

struct Hash {
	size_t operator()(uint64_t k) const { return mix(k); }
	size_t operator()(const Key32 &k) const { return mix(k.w[0] ^ mix(k.w[1] ^ mix(k.w[2] ^ mix(k.w[3])))); }
};

static void make(uint64_t i, uint64_t &k) { k = i * 0x9e3779b97f4a7c15ull; }
static void make(uint64_t i, Key32 &k) {
	for (int j = 0; j < 4; j++) make(4 * i + j, k.w[j]);
}

static double now() {
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

struct Board {
	std::atomic<int> ready, go;
	double ns[8];
};

template <class K, class V> int run(long keys, long ops, int procs, int sets) {
	typedef bi::allocator<std::pair<const K, V>, bi::managed_shared_memory::segment_manager> Alloc;
	typedef boost::unordered_map<K, V, Hash, std::equal_to<K>, Alloc> Map;
	std::string name = "shmkit-bench-" + std::to_string(getpid());
	bi::shared_memory_object::remove(name.c_str());
	void *shared = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	Board *board = new (shared) Board();
	bi::managed_shared_memory s(bi::create_only, name.c_str(), 1ull << 30);
	Map *map = s.construct<Map>("map")(keys * 5 / 4, Hash(), std::equal_to<K>(), Alloc(s.get_segment_manager()));
	auto *mutex = s.construct<bi::interprocess_mutex>("mutex")();
	for (long i = 0; i < keys; i++) {
		K k;
		make(i, k);
		map->emplace(k, V());
	}
	for (int q = 0; q < procs; q++) {
		if (fork() != 0) continue;
		uint64_t state = mix(1000 + q);
		K k;
		V value = V(), got;
		auto turn = [&](uint64_t i, bool set) {
			make(i, k);
			bi::scoped_lock<bi::interprocess_mutex> guard(*mutex);
			if (set) (*map)[k] = value;
			else got = map->find(k)->second;
			__asm__ volatile("" ::"r"(&got) : "memory");
		};
		// Its first look at each page does not count.
		for (long i = 0; i < keys; i++) turn(i, false);
		board->ready++;
		while (!board->go) {
		}
		double began = now();
		for (long n = 0; n < ops; n++) {
			state += 0x9e3779b97f4a7c15ull;
			uint64_t x = mix(state);
			turn((x >> 16) % keys, (int)(x % 100) < sets);
		}
		board->ns[q] = (now() - began) / ops;
		_exit(0);
	}
	while (board->ready < procs) usleep(1000);
	board->go = 1;
	while (wait(nullptr) > 0) {
	}
	bi::shared_memory_object::remove(name.c_str());
	double sum = 0;
	for (int q = 0; q < procs; q++) sum += board->ns[q];
	printf("%.1f\n", sum / procs);
	return 0;
}

int main(int argc, char **argv) {
	if (argc != 6) return 2;
	long keys = atol(argv[2]), ops = atol(argv[3]);
	int procs = atoi(argv[4]), sets = atoi(argv[5]);
	if (atoi(argv[1]) == 8) return run<uint64_t, uint64_t>(keys, ops, procs, sets);
	return run<Key32, Value100>(keys, ops, procs, sets);
}
