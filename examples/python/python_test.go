//go:build linux

// Package python holds a reader of segments in Python. Its test compares it with the library.
package python

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// reader runs the reader.
func reader(t *testing.T, args ...string) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	cmd := exec.Command(python, append([]string{"-B", "shmkit.py"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

type order struct {
	ID    int64
	Small int8
	Price float64
	Item  [4]byte
	Pairs [2][2]int16
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestReadsALiveSegment(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(proctest.Dir(t), "live")
	seg := must(shm.Create(path, shm.Options{Size: 4 << 20}))
	defer seg.Close()
	must(0, must(shm.NewValue(seg, "value", order{})).Store(ctx, order{-1, 2, 0.5, [4]byte{'t', 'e', 'a', 0}, [2][2]int16{{1, 2}, {3, 4}}}))
	must(shm.NewCounter(seg, "counter")).Add(42)
	must(shm.NewFloat64(seg, "float", 2.5))
	must(shm.NewBool(seg, "bool", true))
	must(0, must(shm.NewArray[int32](seg, "array", 3)).Set(ctx, 1, -7))
	must(shm.NewRawArray[complex64](seg, "raw", 1)).Set(0, 1+2i)
	list := must(shm.NewList[uint16](seg, "list"))
	for i := range uint16(6) {
		must(list.Append(ctx, i*100))
	}
	must(0, must(shm.NewVar(seg, "var", "a")).Store(ctx, "another"))
	must(0, must(shm.NewDict[string, int64](seg, "records", shm.DictOptions{})).Set(ctx, "tea", -12))
	must(0, must(shm.NewDict[int32, int16](seg, "words", shm.DictOptions{})).Set(ctx, -3, 4))
	q := must(queue.NewQueue[int64](seg, "queue", 8, queue.Options{}))
	s := must(queue.NewSPSC[int64](seg, "spsc", 8, queue.Options{}))
	b := must(queue.NewBytes(seg, "bytes", 64, queue.Options{}))
	for i := range int64(11) {
		must(0, q.Put(ctx, i))
		if i < 7 {
			must(q.Get(ctx))
		}
	}
	must(0, s.Put(ctx, 1))
	must(0, b.Put(ctx, []byte("x")))
	for name, want := range map[string]string{
		"value":   "{'ID': -1, 'Small': 2, 'Price': 0.5, 'Item': b'tea\\x00', 'Pairs': ((1, 2), (3, 4))}",
		"counter": "42", "float": "2.5", "bool": "True", "array": "[0, -7, 0]", "raw": "[(1+2j)]",
		"list": "[0, 100, 200, 300, 400, 500]", "var": "another", "records": "{'tea': -12}", "words": "{-3: 4}",
		"queue": "4", "spsc": "1", "bytes": "1",
	} {
		if got := reader(t, path, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := reader(t, path); !strings.Contains(got, "Dict 'records' of map[string]<q") {
		t.Errorf("the objects are %s", got)
	}
	t.Setenv("SHMKIT_DIR", filepath.Dir(path))
	if got := reader(t); got != path {
		t.Errorf("the segments are %q", got)
	}
}

// The reader has the names of all kinds, and knows the present layout of those that it reads.
func TestKnowsTheKinds(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	const list = `
import shmkit
for n, name in shmkit.KINDS.items(): print(n, max(shmkit.LAYOUTS.get(name, [0])), name)
for name in shmkit.LAYOUTS: assert name in shmkit.KINDS.values(), name
`
	out := must(exec.Command(python, "-B", "-c", list).Output())
	known := map[int]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		n, layout := must(strconv.Atoi(fields[0])), must(strconv.Atoi(fields[1]))
		known[n] = fields[2]
		if want := int(segment.Kind(n).Layout()); layout != 0 && layout != want {
			t.Errorf("it knows layout %d of a %s, which has layout %d", layout, fields[2], want)
		}
	}
	for n := 1; segment.Kind(n).String() != fmt.Sprintf("unknown kind %d", n); n++ {
		if known[n] != segment.Kind(n).String() {
			t.Errorf("kind %d is a %s; the reader calls it %q", n, segment.Kind(n), known[n])
		}
	}
}

// withNumPy returns an interpreter that has NumPy.
func withNumPy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import numpy").Run() == nil {
			return name
		}
	}
	t.Skip("NumPy is not installed")
	return ""
}

// What NumPy gets is a copy of the elements, and of raw ones the memory itself, which shows what is
// written later, cannot be written to, and takes no memory for what was never touched.
func TestNumPy(t *testing.T) {
	python := withNumPy(t)
	ctx := context.Background()
	path := filepath.Join(proctest.Dir(t), "numbers")
	seg := must(shm.Create(path, shm.Options{Size: 4 << 20}))
	defer seg.Close()
	must(0, must(shm.NewArray[float32](seg, "array", 3)).Set(ctx, 1, 0.5))
	raw := must(shm.NewRawArray[int32](seg, "raw", 2000))
	raw.Set(1999, -7)
	must(shm.NewRawArray[complex64](seg, "complex", 2)).Set(1, 1+2i)
	must(shm.NewRawArray[bool](seg, "flags", 2)).Set(1, true)
	orders := must(shm.NewArray[order](seg, "orders", 2))
	must(0, orders.Set(ctx, 1, order{-1, 2, 0.5, [4]byte{'t', 'e', 'a', 0}, [2][2]int16{{1, 2}, {3, 4}}}))
	list := must(shm.NewList[uint16](seg, "list"))
	for i := range uint16(6) {
		must(list.Append(ctx, i*100))
	}
	must(shm.NewRawValue(seg, "value", order{ID: 12}))
	must(shm.NewCounter(seg, "counter"))
	cmd := exec.Command(python, "-B", "-c", `
import os, sys
import numpy, shmkit
seg = shmkit.open(sys.argv[1])
def blocks(): return os.stat(sys.argv[1]).st_blocks
for name in "array", "complex", "flags", "list":
    print(name, seg.numpy(name).dtype, seg.numpy(name).tolist())
orders = seg.numpy("orders")
print(orders.dtype.names, orders["ID"].tolist(), orders["Pairs"][1].tolist(), bytes(orders["Item"][1]))
before = blocks()
view = seg.view("raw")
print(view.dtype, view.shape, view[1999], view.sum(), view.flags.writeable, blocks() == before)
print(seg.view("value")["ID"].tolist())
for name in "counter", "array":
    try: seg.view(name)
    except shmkit.FormatError as e: print(str(e).split(": ", 1)[1])
try: seg.numpy("counter")
except shmkit.FormatError as e: print(str(e).split(": ", 1)[1])
seg.close()
print("go on", flush=True)
sys.stdin.readline()
print(view[0], view[1999])
`, path)
	cmd.Stderr = os.Stderr
	in, out := must(cmd.StdinPipe()), bufio.NewScanner(must(cmd.StdoutPipe()))
	must(0, cmd.Start())
	for _, want := range []string{
		"array float32 [0.0, 0.5, 0.0]", "complex complex64 [0j, (1+2j)]", "flags bool [False, True]", "list uint16 [0, 100, 200, 300, 400, 500]",
		"('ID', 'Small', 'Price', 'Item', 'Pairs') [0, -1] [[1, 2], [3, 4]] b'tea\\x00'",
		"int32 (2000,) -7 -7 False True", "[12]",
		"counter: is a Counter, not one of RawArray, RawValue", "array: is a Array, not one of RawArray, RawValue",
		"counter: is a Counter, not one of Array, RawArray, List", "go on", "42 -8",
	} {
		if want == "42 -8" {
			raw.Set(0, 42)
			raw.Set(1999, -8)
			in.Close()
		}
		if !out.Scan() || out.Text() != want {
			t.Errorf("NumPy has %q (%v), want %q", out.Text(), out.Err(), want)
		}
	}
	must(0, cmd.Wait())
}

// The reader reads what earlier builds have left, and refuses what has another version.
func TestReadsGoldenSegments(t *testing.T) {
	files, err := filepath.Glob("../../shm/testdata/golden/v4-*.seg.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no golden segments: %v", err)
	}
	for _, name := range files {
		f := must(os.Open(name))
		data := must(io.ReadAll(must(gzip.NewReader(f))))
		f.Close()
		path := filepath.Join(proctest.Dir(t), "golden")
		must(0, os.WriteFile(path, data, 0o600))
		if got := reader(t, path, "value"); !strings.Contains(got, "'N': -7") || !strings.Contains(got, "b'gold") {
			t.Errorf("%s: the value is %s", name, got)
		}
		data[8]++
		must(0, os.WriteFile(path, data, 0o600))
		cmd := exec.Command("python3", "-B", "shmkit.py", path)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "version 5") {
			t.Errorf("another version: %v %s", err, out)
		}
	}
}
