"""Reads segments of shmkit, without taking part in them: nothing is written, mapped or locked.

    python3 shmkit.py                   lists the segments of this user
    python3 shmkit.py NAME              lists the objects of a segment
    python3 shmkit.py NAME OBJECT       prints what an object holds

    import shmkit
    with shmkit.open("visits") as seg:
        print(seg["visits"])

It needs Python 3.8 and nothing else. With NumPy, Segment.numpy is an array of what an Array holds,
and Segment.view one over the memory of a RawArray itself.
docs/format.md says what the bytes mean.
"""

import os
import struct
import sys

MAGIC, VERSION = b"\x89shmkit1", 4
LIVE = 1
KINDS = {
    1: "Value", 2: "RawValue", 3: "Array", 4: "RawArray", 5: "atomic", 6: "Bool", 7: "Counter", 8: "Mutex", 9: "Queue",
    10: "task table", 11: "RWMutex", 12: "Semaphore", 13: "Cond", 14: "Event", 15: "Barrier", 16: "RecursiveMutex",
    17: "Once", 18: "WaitGroup", 19: "SPSC", 20: "overwriting Broadcast", 21: "Bytes", 22: "Objects", 23: "Pipe", 24: "listener",
    25: "Dict", 26: "Var", 27: "List", 28: "Broadcast", 29: "BroadcastBytes", 30: "BroadcastObjects",
}
# The layouts of payloads that this program knows.
LAYOUTS = {"Value": (1,), "RawValue": (1,), "Array": (2,), "RawArray": (1,), "atomic": (1,), "Bool": (1,), "Counter": (1,),
           "Queue": (1,), "SPSC": (2,), "overwriting Broadcast": (2,), "Bytes": (2,), "Objects": (2,), "Dict": (1, 2), "Var": (1,),
           "List": (1,)}
MOST = 64 << 20  # bytes that are read at once


class FormatError(Exception):
    """The file is no segment that this program can read."""


def directory():
    """The directory of the segments with plain names."""
    return os.environ.get("SHMKIT_DIR") or "/dev/shm/shmkit-%d" % os.geteuid()


def open(name):
    """Opens the segment of that name, or at that path."""
    return Segment(name if "/" in name else os.path.join(directory(), name))


def segments(where=None):
    """The paths of the segments in a directory."""
    where = where or directory()
    for name in sorted(os.listdir(where)) if os.path.isdir(where) else ():
        path = os.path.join(where, name)
        try:
            with Segment(path):
                yield path
        except (OSError, FormatError):
            pass


class Type:
    """An element type, from its format: a string of PEP 3118."""

    SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8, "Zf": 8, "Zd": 16}

    def __init__(self, text):
        self.text, self.at, self.order = text, 0, "<"
        self.tree = self._type()
        self.size = self.tree[-1]

    def _number(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at].isdigit():
            self.at += 1
        return int(self.text[start:self.at] or 1)

    def _orders(self):
        while self.at < len(self.text) and self.text[self.at] in "<>=!":
            self.order = ">" if self.text[self.at] in ">!" else "<"
            self.at += 1

    def _type(self):
        self._orders()
        dims = []
        if self.text[self.at] == "(":
            end = self.text.index(")", self.at)
            dims = [int(n) for n in self.text[self.at + 1:end].split(",")]
            self.at = end + 1
        self._orders()
        if self.text[self.at] == "T":
            one = self._struct()
        else:
            width = 2 if self.text[self.at] == "Z" else 1
            code = self.text[self.at:self.at + width]
            self.at += width
            one = ("number", self.order + code, self.SIZES[code])
        for n in reversed(dims):
            one = ("array", n, one, n * one[-1])
        return one

    def _struct(self):
        self.at += 2  # T{
        fields, offset = [], 0
        while self.text[self.at] != "}":
            start = self.at
            n = self._number()
            if self.text[self.at] == "x":
                self.at += 1
                offset += n
                continue
            self.at = start
            one = self._type()
            end = self.text.index(":", self.at + 1)
            fields.append((self.text[self.at + 1:end], offset, one))
            self.at = end + 1
            offset += one[-1]
        self.at += 1
        return ("struct", fields, offset)

    def value(self, data, tree=None, at=0):
        """What data holds: numbers, tuples of arrays, dicts of structs; bytes for an array of bytes."""
        tree = tree or self.tree
        if tree[0] == "number":
            order, code = tree[1][0], tree[1][1:]
            if code[0] == "Z":
                return complex(*struct.unpack_from(order + 2 * code[1], data, at))
            return struct.unpack_from(order + code, data, at)[0]
        if tree[0] == "struct":
            return {name: self.value(data, one, at + offset) for name, offset, one in tree[1]}
        n, one = tree[1], tree[2]
        if one[0] == "number" and one[1][1:] == "B":
            return bytes(data[at:at + n])
        return tuple(self.value(data, one, at + i * one[-1]) for i in range(n))

    def dtype(self, tree=None):
        """The type as numpy.dtype takes it."""
        tree = tree or self.tree
        if tree[0] == "number":
            order, code = tree[1][0], tree[1][1:]
            kind = {"?": "?", "Z": "c", "f": "f", "d": "f"}.get(code[0], "i" if code.islower() else "u")
            return "?" if kind == "?" else "%s%s%d" % (order, kind, tree[-1])
        if tree[0] == "struct":
            names, offsets, ones = zip(*tree[1]) if tree[1] else ((), (), ())
            return {"names": list(names), "offsets": list(offsets), "formats": [self.dtype(one) for one in ones], "itemsize": tree[-1]}
        return (self.dtype(tree[2]), (tree[1],))


class Object:
    """An object of a segment: its name, kind, type, and where its payload lies."""

    def __init__(self, name, kind, layout, type_, start, size):
        self.name, self.kind, self.layout, self.type, self.start, self.size = name, kind, layout, type_, start, size

    def __repr__(self):
        return "%s %r%s, %d bytes" % (self.kind, self.name, " of " + self.type if self.type else "", self.size)


class Segment:
    """A segment that is open for reading."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def _check(self):
        head = os.pread(self.fd, 4096, 0)
        if len(head) < 4096 or head[:8] != MAGIC:
            raise FormatError("%s: is not a shmkit segment" % self.path)
        version, word = struct.unpack_from("<II", head, 8)
        if version != VERSION or word != 0x108:
            raise FormatError("%s: has format version %d, this program knows version %d" % (self.path, version, VERSION))
        self.file = os.fstat(self.fd).st_size
        (self.entries, self.heap), (self.entry_bytes,) = struct.unpack_from("<QQ", head, 72), struct.unpack_from("<I", head, 88)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def read(self, offset, n):
        """A copy of n bytes of the segment."""
        if not 0 <= n <= MOST or not 0 <= offset <= self.file - n:
            raise FormatError("%s: bytes %d to %d cannot be read" % (self.path, offset, offset + n))
        data = os.pread(self.fd, n, offset)
        if len(data) != n:
            raise FormatError("%s: is truncated at %d bytes" % (self.path, offset + len(data)))
        return data

    def word(self, offset):
        return struct.unpack("<Q", self.read(offset, 8))[0]

    def objects(self):
        """The objects that have a name."""
        used = struct.unpack("<I", self.read(272, 4))[0]
        for i in range(used):
            entry = self.read(self.entries + i * self.entry_bytes, 64)
            state, _, _, kind, names, block, size, types, payload, _, layout = struct.unpack_from("<QIIIIQQIIII", entry)
            if state & 3 != LIVE or names > 255 or types > 64 << 10:
                continue
            text = self.read(block + 32, names + types)
            if self.word(self.entries + i * self.entry_bytes) == state:
                yield Object(text[:names].decode(errors="replace"), KINDS.get(kind, "unknown kind %d" % kind), layout,
                             text[names:].decode(), block + payload, size)

    def object(self, name):
        for o in self.objects():
            if o.name == name:
                return o
        raise KeyError(name)

    def __getitem__(self, name):
        """What the object of that name holds; of a queue how many messages are in it."""
        o = self.object(name)
        method = getattr(self, "_" + o.kind.lower().replace(" ", "_"), None)
        if method is None:
            raise FormatError("%s: %s: this program cannot read a %s" % (self.path, name, o.kind))
        self._check_layout(o)
        return method(o)

    def _check_layout(self, o):
        if o.layout not in LAYOUTS.get(o.kind, ()):
            raise FormatError("%s: %s: has layout %d, which this program does not know" % (self.path, o.name, o.layout))

    def _steady(self, mark, read):
        """What read returns while the word at mark does not change."""
        for _ in range(1000):
            before = self.word(mark)
            got = read(before)
            if self.word(mark) == before:
                return got
        raise FormatError("%s: changes each time it is read" % self.path)

    def _value(self, o):
        t = Type(o.type)
        step = (t.size + 7) & ~7
        return t.value(self._steady(o.start + 16, lambda sequence: self.read(o.start + 32 + (sequence & 1) * step, t.size)))

    def _rawvalue(self, o):
        t = Type(o.type)
        return t.value(self.read(o.start, t.size))

    _atomic = _rawvalue

    def _bool(self, o):
        return self._rawvalue(o) != 0

    def _counter(self, o):
        data = self.read(o.start, o.size)
        return sum(struct.unpack_from("<q", data, at)[0] for at in range(0, o.size, 64))

    def elements(self, o):
        """The bytes of the elements of an Array, a RawArray or a List, as they were before a change that goes on."""
        size = Type(o.type).size
        if o.kind == "RawArray":
            return self.read(o.start, o.size // size * size)
        if o.kind == "List":
            return self._steady(o.start + 24, lambda sequence: self._chunks(o, size, sequence))
        return self._steady(o.start + 40, lambda sequence: self._array_bytes(o, size, sequence))

    def _array_bytes(self, o, size, sequence):
        count, low, high = struct.unpack("<QQQ", self.read(o.start + 16, 24))
        data = bytearray(self.read(o.start + 64, count * size))
        if sequence & 1 and low <= high <= count:
            undo = o.start + 64 + ((count * size + 63) & ~63)
            data[low * size:high * size] = self.read(undo + low * size, (high - low) * size)
        return bytes(data)

    def _chunks(self, o, size, sequence):
        length, undo = self.word(o.start + 16), self.word(o.start + 32)
        first_log = struct.unpack("<I", self.read(o.start + 60, 4))[0]
        data = bytearray()
        for k in range(40):
            n = min(1 << (first_log + max(k - 1, 0)), length - len(data) // size)
            if n <= 0:
                break
            data += self.read(self.word(o.start + 64 + 8 * k), n * size)
        if sequence & 1 and undo < length:
            data[undo * size:(undo + 1) * size] = self.read(o.start + 384, size)
        return bytes(data)

    def _array(self, o):
        t, data = Type(o.type), self.elements(o)
        return [t.value(data, None, at) for at in range(0, len(data), t.size)]

    _rawarray = _list = _array

    def _of_kind(self, name, *kinds):
        o = self.object(name)
        if o.kind not in kinds:
            raise FormatError("%s: %s: is a %s, not one of %s" % (self.path, name, o.kind, ", ".join(kinds)))
        self._check_layout(o)
        return o

    def numpy(self, name):
        """A copy of the elements of an Array, a RawArray or a List as an array of NumPy."""
        import numpy
        o = self._of_kind(name, "Array", "RawArray", "List")
        return numpy.frombuffer(self.elements(o), dtype=numpy.dtype(Type(o.type).dtype()))

    def view(self, name):
        """An array of NumPy over the memory of a RawArray or a RawValue, for reading only.

        It shows what others write later, and may be torn. It outlives the Segment.
        """
        import mmap
        import numpy
        o = self._of_kind(name, "RawArray", "RawValue")
        self.read(o.start + max(o.size, 1) - 1, 1)  # a mapping beyond the end of the file would fault
        begin = o.start - o.start % mmap.ALLOCATIONGRANULARITY
        memory = mmap.mmap(self.fd, o.start + o.size - begin, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED, offset=begin)
        size = Type(o.type).size
        return numpy.frombuffer(memory, dtype=numpy.dtype(Type(o.type).dtype()), count=o.size // size, offset=o.start - begin)

    @staticmethod
    def _form(description, data):
        if description == "string":
            return data.decode(errors="replace")
        if description in ("bytes", "cbor"):
            return data
        return Type(description).value(data)

    def _var(self, o):
        def read(revision):
            block, length = struct.unpack("<QQ", self.read(o.start + 24 + 16 * (revision & 1), 16))
            return self.read(block or o.start + 128, length)
        return self._form(o.type, self._steady(o.start + 16, read))

    def _dict(self, o):
        key, value = o.type[4:].split("]", 1)
        stripes, layout, key_bytes, value_bytes = struct.unpack("<IIII", self.read(o.start, 16))
        pairs = {}
        for stripe in range(o.start + 128, o.start + 128 + 256 * min(stripes, 1024), 256):
            def read(table):
                base, buckets = table & ((1 << 46) - 64), 1 << (table & 63)
                found = []
                for bucket in range(buckets if base else 0):
                    if layout:
                        found += self._records(base + 64 * bucket)
                    else:
                        found += self._words(o, base + 128 * bucket, key_bytes, value_bytes)
                return found
            for k, v in self._steady(stripe + 64, read):
                pairs[self._form(key, k)] = self._form(value, v)
        return pairs

    def _records(self, bucket):
        for slot in struct.unpack_from("<7Q", self.read(bucket + 8, 56)):
            if slot:
                record = (slot & ((1 << 43) - 1)) * 8
                keys, pair, state = struct.unpack("<HH4xQ", self.read(record + 8, 16))
                at = record + 24 + ((keys + 7) & ~7) + (state >> 30 & 1) * pair * 8
                yield self.read(record + 24, keys), self.read(at, state & ((1 << 30) - 1))

    def _words(self, o, bucket, key_bytes, value_bytes):
        data = self.read(bucket, 128)
        for place in range(7):
            used = data[120 + place] if o.layout > 1 else data[4] >> place & 1
            if used:
                yield data[8 + 8 * place:][:key_bytes], data[64 + 8 * place:][:value_bytes]

    def _queue(self, o):
        """The ends are found by the laps of the slots, as the hints may be behind."""
        capacity = self.word(o.start)
        stride, log = (Type(o.type).size + 8 + 7) & ~7, capacity.bit_length() - 1

        def end(p, passed):
            for _ in range(2 * capacity + 16):
                state = self.word(o.start + 384 + (p & (capacity - 1)) * stride)
                lap = ((state - (p >> log)) + (1 << 31)) % (1 << 32) - (1 << 31)
                if 4 * lap + (state >> 62) < passed:
                    break
                p += 1
            return p
        got = end(self.word(o.start + 256), 3)
        return max(end(max(self.word(o.start + 128), got), 1) - got, 0)

    def _spsc(self, o):
        return self.word(o.start + 128) - self.word(o.start + 512)

    def _overwriting_broadcast(self, o):
        return min(self.word(o.start + 128) - self.word(o.start + 112), self.word(o.start))

    def _bytes(self, o):
        return max(self.word(o.start + 152) - self.word(o.start + 288), 0)

    _objects = _bytes


def main(args):
    if args[:1] in (["-h"], ["--help"]) or len(args) > 2:
        print(__doc__.strip())
        return 0 if args and args[0].startswith("-") else 2
    try:
        if not args:
            for path in segments():
                print(path)
        else:
            with open(args[0]) as seg:
                if len(args) == 2:
                    print(seg[args[1]])
                else:
                    for o in seg.objects():
                        print(o)
    except KeyError as missing:
        print("there is no object %s" % missing, file=sys.stderr)
        return 3
    except (OSError, FormatError) as err:
        print(err, file=sys.stderr)
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
