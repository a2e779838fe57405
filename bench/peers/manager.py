"""Calls of an object of multiprocessing's manager: an int there, the next one back.

The argument is the rest in seconds before each call. Each line of the input is a number of calls; the answer is the
nanoseconds that they took without the rests.
"""

import sys
import time
from multiprocessing.managers import BaseManager


class Next:
    def add(self, n):
        return n + 1


class Manager(BaseManager):
    pass


Manager.register("Next", Next)

if __name__ == "__main__":
    rest = float(sys.argv[1])
    with Manager() as manager:
        add = manager.Next().add
        for line in sys.stdin:
            took = 0
            for n in range(int(line)):
                if rest:
                    time.sleep(rest)
                begun = time.perf_counter_ns()
                if add(n) != n + 1:
                    sys.exit("a wrong answer")
                took += time.perf_counter_ns() - begun
            print(took, flush=True)
