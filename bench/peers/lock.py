"""Times Lock and Value of multiprocessing.

    lock.py lock empty|increment ROUNDS OPS CPU...
    lock.py value increment ROUNDS OPS CPU...

One process per CPU; prints what the C programs print (see laps.h).
"""

import multiprocessing
import multiprocessing.connection
import os
import sys
import time
from itertools import repeat


def lock_unlock(lock, value, ops):
    acquire, release = lock.acquire, lock.release
    for _ in repeat(None, ops):
        acquire()
        release()


def lock_increment_unlock(lock, value, ops):
    for _ in repeat(None, ops):
        with lock:
            value.value += 1


def value_increment(lock, value, ops):
    for _ in repeat(None, ops):
        with value.get_lock():
            value.value += 1


def delayed(schedstat):
    """For how many nanoseconds of its life this process has waited for a CPU."""
    return int(os.pread(schedstat, 96, 0).split()[1]) if schedstat >= 0 else 0


def open_schedstat():
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except FileNotFoundError:
        return -1  # a kernel that does not count


def run_laps(proc, cpu, rounds, ops, leg, lock, value, arrived, laps):
    os.sched_setaffinity(0, {cpu})
    schedstat = open_schedstat()
    parent = multiprocessing.parent_process().pid
    for r in range(rounds):
        delay = delayed(schedstat)
        arrived[proc] = r + 1
        while min(arrived) <= r:
            if os.getppid() != parent:
                os._exit(1)
        start = time.monotonic_ns()
        leg(lock, value, ops)
        end = time.monotonic_ns()
        seen = value.value
        at = (r * len(arrived) + proc) * 4
        laps[at:at + 4] = [start, end, seen, delayed(schedstat) - delay]


def run_race(ctx, procs):
    for p in procs:
        p.start()
    waiting = list(procs)
    while waiting:  # one that fails ends them all: the others would spin for ever
        multiprocessing.connection.wait([p.sentinel for p in waiting])
        if any(p.exitcode for p in procs):
            for p in procs:
                p.kill()
            sys.exit("a measured process failed")
        waiting = [p for p in waiting if p.exitcode is None]


def check_exclusive(lock):
    if not lock.acquire(False):
        sys.exit("the lock was not left free")
    if isinstance(lock, multiprocessing.synchronize.Lock) and lock.acquire(False):
        sys.exit("a held lock was taken")
    lock.release()


def main():
    kind, work, rounds, ops = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    cpus = [int(cpu) for cpu in sys.argv[5:]]
    ctx = multiprocessing.get_context("fork")
    if kind == "value":
        value, leg = ctx.Value("q", 0), value_increment
        lock = value.get_lock()
    else:
        value, lock = ctx.RawValue("q", 0), ctx.Lock()
        leg = lock_increment_unlock if work == "increment" else lock_unlock
    arrived = ctx.RawArray("q", len(cpus))
    laps = ctx.RawArray("q", rounds * len(cpus) * 4)
    run_race(ctx, [
        ctx.Process(target=run_laps, daemon=True,
                    args=(i, cpu, rounds, ops, leg, lock, value, arrived, laps))
        for i, cpu in enumerate(cpus)
    ])
    check_exclusive(lock)
    for i in range(rounds * len(cpus)):
        print("lap", i // len(cpus), *laps[i * 4:i * 4 + 4])
    print("total", value.value)


if __name__ == "__main__":
    main()
