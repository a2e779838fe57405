"""Times Lock, Value and Semaphore of multiprocessing.

    lock.py lock empty|increment ROUNDS OPS CPU...
    lock.py value increment ROUNDS OPS CPU...
    lock.py semaphore empty ROUNDS OPS CPU...

The semaphore has one unit. Prints what the C programs print (see laps.h).
"""

import multiprocessing
import sys
from itertools import repeat

from laps import Race


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


def check_exclusive(lock):
    """Fails unless the lock is free and, where its holder cannot take it twice, lets in one at a time."""
    if not lock.acquire(False):
        sys.exit("the lock was not left free")
    if not isinstance(lock, multiprocessing.synchronize.RLock) and lock.acquire(False):
        sys.exit("a held lock was taken")
    lock.release()


def main():
    kind, work = sys.argv[1], sys.argv[2]
    ctx = multiprocessing.get_context("fork")
    if kind == "value":
        value, work_of = ctx.Value("q", 0), value_increment
        lock = value.get_lock()
    else:
        value, lock = ctx.RawValue("q", 0), ctx.Semaphore(1) if kind == "semaphore" else ctx.Lock()
        work_of = lock_increment_unlock if work == "increment" else lock_unlock

    def leg(proc, ops):
        work_of(lock, value, ops)
        return value.value

    race = Race(ctx, sys.argv[3:])
    race.run(leg)
    check_exclusive(lock)
    race.print(value.value)


if __name__ == "__main__":
    main()
