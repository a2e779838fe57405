"""The start line and the stop watch of the Python peers: they print what laps.h says."""

import multiprocessing
import multiprocessing.connection
import os
import sys
import time

UNCOUNTED = -1


def delayed(schedstat):
    """For how many nanoseconds of its life this process has waited for a CPU."""
    return int(os.pread(schedstat, 96, 0).split()[1]) if schedstat >= 0 else 0


def open_schedstat():
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except FileNotFoundError:
        return -1  # a kernel that does not count


class Race:
    """One process per CPU. The command line ends with ROUNDS OPS CPU..."""

    def __init__(self, ctx, args):
        self.ctx = ctx
        self.rounds, self.ops = int(args[0]), int(args[1])
        self.cpus = [int(cpu) for cpu in args[2:]]
        self.arrived = ctx.RawArray("q", len(self.cpus))
        self.laps = ctx.RawArray("q", self.rounds * len(self.cpus) * 4)

    def run(self, leg):
        """Calls leg(proc, ops) in every process and round; it returns SEEN."""
        procs = [self.ctx.Process(target=self._run_laps, args=(i, leg), daemon=True) for i in range(len(self.cpus))]
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

    def _run_laps(self, proc, leg):
        if self.cpus[proc] >= 0:  # otherwise it goes where the kernel puts it
            os.sched_setaffinity(0, {self.cpus[proc]})
        schedstat = open_schedstat()
        parent = multiprocessing.parent_process().pid
        for r in range(self.rounds):
            delay = delayed(schedstat)
            self.arrived[proc] = r + 1
            while min(self.arrived) <= r:
                os.sched_yield()
                if os.getppid() != parent:
                    os._exit(1)
            start = time.monotonic_ns()
            seen = leg(proc, self.ops)
            end = time.monotonic_ns()
            at = (r * len(self.cpus) + proc) * 4
            self.laps[at:at + 4] = [start, end, seen, delayed(schedstat) - delay]

    def print(self, total):
        procs = len(self.cpus)
        for i in range(self.rounds * procs):
            print("lap", i // procs, *self.laps[i * 4:i * 4 + 4])
        print("total", total)
