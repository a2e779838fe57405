"""Runs the pool of multiprocessing for the benchmarks of the pool.

    pool.py fork|spawn|forkserver|executor

Reads commands from its standard input, one to a line, and answers each with a line "TOTAL NANOSECONDS...": the sum of
all results, and how long each operation took.

    apply OPS PAUSE           a task there and back, OPS times, each after a pause in nanoseconds
    map CALLS TASKS BYTES CHUNK   a map of TASKS arguments, CALLS times; CHUNK 0 leaves the size of chunks to Python
    imap CALLS TASKS          the same, results in any order, one by one
    busy CALLS TASKS LENGTH   a map of TASKS tasks that are busy for LENGTH nanoseconds, CALLS times
    start OPS                 from no pool to the first result
    wide WORKERS TASKS        a pool from its start to its end, with a map, and all workers at work
    process OPS               a process from its start to its end
    pids                      the processes: TOTAL is their number, and the rest are no nanoseconds

An argument of 8 bytes is an integer and is squared; longer ones are bytes, which begin and end with the result.
"""

import concurrent.futures
import multiprocessing
import os
import struct
import sys
import time

WORKERS = 2
WORD = struct.Struct("q")


def square(n):
    return n * n


def ends(message):
    first, last = message[:8], message[-8:]
    if first != last:
        raise ValueError("a message does not end as it begins")
    return WORD.unpack(first)[0]


def whereabouts(_):
    time.sleep(0.005)
    return os.getpid()


def keep_busy(ns):
    end = time.monotonic_ns() + ns
    while time.monotonic_ns() < end:
        pass
    return 1


def nothing():
    pass


def message(size, number):
    word = WORD.pack(number)
    return b"".join((word, bytes(size - 16), word))


class Pool:
    """A multiprocessing.Pool."""

    def __init__(self, method):
        self.ctx = multiprocessing.get_context(method)
        self.pool = None

    def open(self, workers=WORKERS):
        if self.pool is None:
            self.pool = self.ctx.Pool(workers)

    def close(self):
        if self.pool is not None:
            self.pool.close()
            self.pool.join()
            self.pool = None

    def apply(self, f, arg):
        return self.pool.apply(f, (arg,))

    def map(self, f, args, chunk):
        return self.pool.map(f, args, chunk or None)

    def imap_unordered(self, f, args):
        return self.pool.imap_unordered(f, args)

    def pids(self):
        return [os.getpid()] + [p.pid for p in multiprocessing.active_children()]


class Executor(Pool):
    """A ProcessPoolExecutor, which forks as well."""

    def __init__(self):
        super().__init__("fork")

    def open(self, workers=WORKERS):
        if self.pool is None:
            self.pool = concurrent.futures.ProcessPoolExecutor(workers, self.ctx)

    def close(self):
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None

    def apply(self, f, arg):
        return self.pool.submit(f, arg).result()

    def map(self, f, args, chunk):
        return self.pool.map(f, args, chunksize=chunk)

    def imap_unordered(self, f, args):
        for future in concurrent.futures.as_completed([self.pool.submit(f, arg) for arg in args]):
            yield future.result()


def timed(ns, f):
    """Calls f and adds the time it takes to ns."""
    start = time.monotonic_ns()
    result = f()
    ns.append(time.monotonic_ns() - start)
    return result


class Commands:
    def __init__(self, pool):
        self.pool = pool

    def apply(self, ops, pause):
        self.pool.open()
        for i in range(0 if pause else ops // 10 + 1):  # what came before may have cooled everything down
            self.pool.apply(square, i)
        ns, total = [], 0
        for i in range(ops):
            if pause:
                time.sleep(pause / 1e9)
            total += timed(ns, lambda: self.pool.apply(square, i))
        return total, ns

    def map(self, calls, tasks, size, chunk):
        self.pool.open()
        f, args = square, list(range(tasks))
        if size != WORD.size:
            f, args = ends, [message(size, i) for i in range(tasks)]
        ns, total = [], 0
        for _ in range(calls):
            total += sum(timed(ns, lambda: list(self.pool.map(f, args, chunk))))
        return total, ns

    def imap(self, calls, tasks):
        self.pool.open()
        ns, total = [], 0
        for _ in range(calls):
            total += timed(ns, lambda: sum(self.pool.imap_unordered(square, range(tasks))))
        return total, ns

    def busy(self, calls, tasks, length):
        self.pool.open()
        chunk = 0 if isinstance(self.pool, Pool) and not isinstance(self.pool, Executor) else 1
        ns, total = [], 0
        for _ in range(calls):
            total += sum(timed(ns, lambda: list(self.pool.map(keep_busy, [length] * tasks, chunk))))
        return total, ns

    def start(self, ops):
        self.pool.close()
        ns, total = [], 0
        for i in range(ops):
            total += timed(ns, lambda: (self.pool.open(), self.pool.apply(square, i))[1])
            self.pool.close()
        return total, ns

    def wide(self, workers, tasks):
        self.pool.close()

        def whole():
            self.pool.open(workers)
            total = sum(self.pool.map(square, range(tasks), 1))
            seen = set()
            while len(seen) < workers:
                seen.update(self.pool.map(whereabouts, range(workers), 1))
            self.pool.close()
            return total

        ns = []
        return timed(ns, whole), ns

    def process(self, ops):
        def whole():
            p = self.pool.ctx.Process(target=nothing)
            p.start()
            p.join()
            return p.exitcode == 0

        ns, total = [], 0
        for _ in range(ops):
            total += timed(ns, whole)
        return total, ns

    def pids(self):
        self.pool.open()
        self.pool.apply(square, 1)
        pids = self.pool.pids()
        return len(pids), pids


def main():
    pool = Executor() if sys.argv[1] == "executor" else Pool(sys.argv[1])
    commands = Commands(pool)
    for line in sys.stdin:
        name, *args = line.split()
        total, ns = getattr(commands, name)(*map(int, args))
        print(total, *ns, flush=True)
    pool.close()


if __name__ == "__main__":
    main()
