"""Times how two processes wait for each other with multiprocessing.

    trips.py event|cond|barrier ROUNDS OPS CPU CPU

Does and prints what trips.c does and prints.
"""

import multiprocessing
import sys
import time
from itertools import repeat

from laps import Race, UNCOUNTED


class Trips:
    """How long each trip took, as process 0 saw it."""

    def __init__(self, ctx, race):
        self.ops = race.ops
        self.ns = ctx.RawArray("q", race.rounds * race.ops)
        self.made = ctx.RawValue("q", 0)
        self.then = 0  # of process 0

    def start(self):
        self.then = time.monotonic_ns()

    def add(self):
        end = time.monotonic_ns()
        self.ns[self.made.value] = end - self.then
        self.made.value += 1
        self.then = end

    def print(self):
        if self.made.value != len(self.ns):
            sys.exit("a trip is missing")
        for i, ns in enumerate(self.ns):
            print("trip", i // self.ops, ns)


class Events:
    def __init__(self, ctx, trips):
        self.trips = trips
        self.events = ctx.Event(), ctx.Event()
        self.value = ctx.RawValue("q", 0)

    def leg(self, proc, ops):
        mine, other = self.events[1 - proc], self.events[proc]
        self.trips.start()
        for _ in repeat(None, ops):
            if proc == 0:
                self.value.value += 1
                other.set()
            mine.wait()
            mine.clear()
            if proc == 0:
                self.trips.add()
            else:
                self.value.value += 1
                other.set()
        return UNCOUNTED

    def total(self):
        return self.value.value


class Turns:
    def __init__(self, ctx, trips):
        self.trips = trips
        self.cond = ctx.Condition(ctx.Lock())
        self.turn = ctx.RawValue("q", 0)
        self.value = ctx.RawValue("q", 0)

    def pass_on(self, proc):
        self.value.value += 1
        self.turn.value = 1 - proc
        self.cond.notify()

    def leg(self, proc, ops):
        self.trips.start()
        for _ in repeat(None, ops):
            with self.cond:
                if proc == 0:
                    self.pass_on(proc)
                while self.turn.value != proc:
                    self.cond.wait()
                if proc == 1:
                    self.pass_on(proc)
            if proc == 0:
                self.trips.add()
        return UNCOUNTED

    def total(self):
        return self.value.value


class Crossings:
    def __init__(self, ctx, trips):
        self.trips = trips
        self.barrier = ctx.Barrier(2)
        self.counts = ctx.RawArray("q", 32)  # two integers, 128 bytes apart

    def leg(self, proc, ops):
        mine, other = proc * 16, 16 - proc * 16
        self.trips.start()
        for _ in repeat(None, ops):
            self.counts[mine] += 1
            self.barrier.wait()
            if self.counts[other] < self.counts[mine]:
                sys.exit("a process crossed the barrier alone")
            if proc == 0:
                self.trips.add()
        return UNCOUNTED

    def total(self):
        return self.counts[0] + self.counts[16]


def main():
    ctx = multiprocessing.get_context("fork")
    race = Race(ctx, sys.argv[2:])
    trips = Trips(ctx, race)
    work = {"event": Events, "cond": Turns, "barrier": Crossings}[sys.argv[1]](ctx, trips)
    race.run(work.leg)
    trips.print()
    race.print(work.total())


if __name__ == "__main__":
    main()
