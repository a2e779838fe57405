"""Times messages between processes through Queue and Pipe of multiprocessing.

    message.py trip queue|pipe BYTES ROUNDS OPS CPU CPU
    message.py stream queue|pipe PRODUCERS ROUNDS OPS CPU...

Does and prints what message_trip.c and message_stream.c do and print.
"""

import multiprocessing
import struct
import sys
from itertools import repeat

from laps import Race, UNCOUNTED
from trips import Trips


class Queue:
    def __init__(self, ctx, slots):
        self.queue = ctx.Queue(slots)
        self.put, self.get = self.queue.put, self.queue.get


class Pipe:
    def __init__(self, ctx, slots):
        self.reader, self.writer = ctx.Pipe(duplex=False)
        self.put, self.get = self.writer.send_bytes, self.reader.recv_bytes


class MessageTrips:
    def __init__(self, ctx, race, kind, size):
        self.trips = Trips(ctx, race)
        self.there, self.back = kind(ctx, 4), kind(ctx, 4)
        self.middle = bytes(size - 16)
        self.number = 0
        self.messages = ctx.RawArray("q", 2)

    def send(self, channel):
        word = struct.pack("q", self.number)
        channel.put(b"".join((word, self.middle, word)))

    def receive(self, channel):
        message = channel.get()
        word = struct.pack("q", self.number)
        if len(message) != len(self.middle) + 16 or message[:8] != word or message[-8:] != word:
            sys.exit("a message does not hold what it should")

    def leg(self, proc, ops):
        self.trips.start()
        for _ in repeat(None, ops):
            self.number += 1
            if proc == 0:
                self.send(self.there)
                self.receive(self.back)
                self.trips.add()
            else:
                self.receive(self.there)
                self.send(self.back)
        self.messages[proc] += ops
        return UNCOUNTED

    def print(self, race):
        self.trips.print()
        race.print(sum(self.messages))


class Stream:
    words = struct.Struct("8q")

    def __init__(self, ctx, race, kind, producers):
        self.producers = producers
        self.consumers = len(race.cpus) - producers
        self.channel = kind(ctx, 1024)
        self.made = 0
        self.last = [0] * producers
        self.got = ctx.RawArray("q", len(race.cpus))
        self.sum = ctx.RawArray("q", len(race.cpus))

    def leg(self, proc, ops):
        if proc < self.producers:
            for _ in repeat(None, ops // self.producers):
                self.made += 1
                self.channel.put(self.words.pack(self.made, proc, 0, 0, 0, 0, 0, self.made))
        else:
            for _ in repeat(None, ops // self.consumers):
                self.take(proc, self.channel.get())
        return UNCOUNTED

    def take(self, proc, message):
        number, producer, *_, end = self.words.unpack(message)
        last = self.last[producer]
        if end != number or number <= last or self.consumers == 1 and number != last + 1:
            sys.exit("a message is wrong, or comes at the wrong time")
        self.last[producer] = number
        self.got[proc] += 1
        self.sum[proc] += number

    def print(self, race):
        each = race.rounds * (race.ops // self.producers)
        if sum(self.sum) != self.producers * each * (each + 1) // 2:
            sys.exit("messages came twice, or not at all")
        race.print(sum(self.got))


def main():
    what, kind, number = sys.argv[1], {"queue": Queue, "pipe": Pipe}[sys.argv[2]], int(sys.argv[3])
    ctx = multiprocessing.get_context("fork")
    race = Race(ctx, sys.argv[4:])
    work = {"trip": MessageTrips, "stream": Stream}[what](ctx, race, kind, number)
    race.run(work.leg)
    work.print(race)


if __name__ == "__main__":
    main()
