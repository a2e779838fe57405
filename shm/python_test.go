//go:build linux

package shm_test

import (
	"os/exec"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// reader is a Python program that knows the layout of a segment's file, but not the Go program that
// wrote it. It finds a Value by its name, and decodes the valid one of its two copies by the format
// string beside it.
const reader = `
import re, struct, sys

data = open(sys.argv[1], 'rb').read()

def at(format, offset):
    return struct.unpack_from('<' + format, data, offset)[0]

def find(name):
    entries, entry_bytes, used = at('Q', 72), at('I', 88), at('I', 272)
    for entry in range(entries, entries + used * entry_bytes, entry_bytes):
        block = at('Q', entry + 24)
        text, type_text = block + 32, block + 32 + at('I', entry + 20)
        if at('Q', entry) & 3 == 1 and data[text:type_text].decode() == name:
            size, payload = at('Q', entry + 32), block + at('I', entry + 44)
            return data[type_text:type_text + at('I', entry + 40)].decode(), payload, size

def parse(format):
    """The members of a flat struct: (name, count or 0, struct format); padding has no name."""
    assert format[:2] == 'T{' and format[-1] == '}', format
    for count, code, name in re.findall(r'(?:\((\d+)\))?(?:<?([xbBhHiIqQfd?]))(?::(\w+):)?', format[2:-1]):
        yield name, int(count or 0), code

format, payload, size = find(sys.argv[2])
sequence = at('Q', payload + 16)
offset = payload + 32 + (sequence & 1) * ((size - 32) // 2)
fields = []
for name, count, code in parse(format):
    values = struct.unpack_from('<%d%s' % (count or 1, code), data, offset)
    offset += struct.calcsize('<%d%s' % (count or 1, code))
    if name:
        fields.append('%s=%s' % (name, list(values) if count else values[0]))
print(format, ' '.join(fields))
`

// A segment can be read without the Go program that wrote it: the type of every object is written
// down beside it.
func TestPythonReadsAValue(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	type sample struct {
		X  int32
		Y  float64
		N  [4]uint8
		OK bool
		Z  int16
	}
	seg := newSegment(t, small)
	need(shm.NewCounter(seg, "other"))
	v := need(shm.NewValue(seg, "sample", sample{}))
	for i := range 3 { // both copies get their turn
		wantOK(t, v.Store(background, sample{X: int32(-i), Y: 0.5 * float64(i), N: [4]uint8{1, 2, 3, byte(i)}, OK: i > 0, Z: int16(-300 * i)}))
		out, err := exec.Command(python, "-c", reader, seg.Path(), "sample").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		want := "T{<i:X:xxxx<d:Y:(4)<B:N:<?:OK:x<h:Z:} " + []string{
			"X=0 Y=0.0 N=[1, 2, 3, 0] OK=False Z=0",
			"X=-1 Y=0.5 N=[1, 2, 3, 1] OK=True Z=-300",
			"X=-2 Y=1.0 N=[1, 2, 3, 2] OK=True Z=-600",
		}[i] + "\n"
		if string(out) != want {
			t.Errorf("Python read %q, want %q", out, want)
		}
	}
}
