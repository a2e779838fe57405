"""Tells how ctypes or NumPy lays out the types that are described on standard input, as JSON."""
import ctypes
import json
import sys


NUMBERS = {
    "bool": ctypes.c_bool,
    "int8": ctypes.c_int8, "uint8": ctypes.c_uint8,
    "int16": ctypes.c_int16, "uint16": ctypes.c_uint16,
    "int32": ctypes.c_int32, "uint32": ctypes.c_uint32,
    "int64": ctypes.c_int64, "uint64": ctypes.c_uint64,
    "float32": ctypes.c_float, "float64": ctypes.c_double,
}
NAMES = {t: name for name, t in NUMBERS.items()}


def ctypes_type(d):
    if "struct" in d:
        fields = [(name, ctypes_type(t)) for name, t in d["struct"]]
        return type("S", (ctypes.Structure,), {"_fields_": fields})
    if "array" in d:
        return ctypes_type(d["of"]) * d["array"]
    return NUMBERS[d["number"]]


def ctypes_places(t, path, start):
    while issubclass(t, ctypes.Array):
        path += "[%d]" % t._length_
        t = t._type_
    places = [[path, start, ctypes.sizeof(t), NAMES.get(t, "struct")]]
    for name, field in getattr(t, "_fields_", []):
        places += ctypes_places(field, path + "." + name, start + getattr(t, name).offset)
    return places


def numpy_places(t, path, start):
    for n in t.shape:
        path += "[%d]" % n
    t = t.base
    places = [[path, start, t.itemsize, t.name if t.names is None else "struct"]]
    for name in t.names or ():
        field, offset = t.fields[name][:2]
        places += numpy_places(field, path + "." + name, start + offset)
    return places


def numpy_dtype(format):
    try:
        from numpy._core import _internal
    except ImportError:
        from numpy.core import _internal
    return _internal._dtype_from_pep3118(format)


def plain(value):
    """Turns arrays into lists and records into tuples, all the way down."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        value = type(value)(plain(v) for v in value)
    return value


def by_ctypes(case):
    t = ctypes_type(case["type"])
    format = memoryview(t()).format
    # Of a plain array, ctypes gives the format of one number and the lengths apart.
    shape = memoryview(t()).shape
    if shape and not format.startswith("("):
        format = "(%s)%s" % (",".join(map(str, shape)), format)
    return {"format": format, "places": ctypes_places(t, "", 0)}


def by_numpy(case):
    import numpy

    t = numpy_dtype(case["format"])
    values = numpy.frombuffer(bytes.fromhex(case["bytes"]), t)
    return {"places": numpy_places(t, "", 0), "values": str(plain(values))}


if sys.argv[1] == "import":
    __import__(sys.argv[2])
else:
    how = {"ctypes": by_ctypes, "numpy": by_numpy}[sys.argv[1]]
    json.dump([how(case) for case in json.load(sys.stdin)], sys.stdout)
