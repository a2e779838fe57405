"""A dict of multiprocessing's Manager. Usage: KEYBYTES KEYS OPS PROCS SETS, as of dict.cpp."""
import multiprocessing
import random
import sys
import time


def key(i, size):
    return i * 0x9E3779B97F4A7C15 % 2**64 if size == 8 else b'%032d' % i


def work(shared, q, size, keys, ops, sets, barrier, out):
    rand = random.Random(q)
    plan = [(key(rand.randrange(keys), size), rand.randrange(100) < sets) for _ in range(ops)]
    value = 1 if size == 8 else b'x' * 100
    len(shared)  # connects
    barrier.wait()
    began = time.perf_counter()
    for k, is_set in plan:
        if is_set:
            shared[k] = value
        else:
            shared.get(k)
    out.put((time.perf_counter() - began) / ops * 1e9)


if __name__ == '__main__':
    size, keys, ops, procs, sets = map(int, sys.argv[1:6])
    manager = multiprocessing.Manager()
    value = 1 if size == 8 else b'x' * 100
    shared = manager.dict()
    shared.update({key(i, size): value for i in range(keys)})
    barrier, out = multiprocessing.Barrier(procs), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(shared, q, size, keys, ops, sets, barrier, out))
               for q in range(procs)]
    for w in workers:
        w.start()
    times = [out.get() for _ in workers]
    for w in workers:
        w.join()
    print('%.1f' % (sum(times) / len(times)))
