//go:build linux

package shm_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// dictReader is a Python program that knows the layout of a Dict. It prints the pairs of a Dict of
// strings, or of 8-byte numbers, from the buckets of each stripe.
const dictReader = `
import struct, sys

data = open(sys.argv[1], 'rb').read()

def at(format, offset):
    return struct.unpack_from('<' + format, data, offset)[0]

def find(name):
    entries, entry_bytes, used = at('Q', 72), at('I', 88), at('I', 272)
    for entry in range(entries, entries + used * entry_bytes, entry_bytes):
        block = at('Q', entry + 24)
        text, type_text = block + 32, block + 32 + at('I', entry + 20)
        if at('Q', entry) & 3 == 1 and data[text:type_text].decode() == name:
            return data[type_text:type_text + at('I', entry + 40)].decode(), block + at('I', entry + 44)

def records(bucket):
    for slot in range(7):
        word = at('Q', bucket + 8 + 8 * slot)
        if word == 0:
            continue
        record = (word & (1 << 43) - 1) * 8
        key, pair, state = at('H', record + 8), at('H', record + 10) * 8, at('Q', record + 16)
        value = record + 24 + (key + 7 & ~7) + (state >> 30 & 1) * pair
        yield data[record + 24:record + 24 + key].decode(), data[value:value + (state & (1 << 30) - 1)].decode()

def words(bucket):
    for place in range(7):
        if at('B', bucket + 120 + place):
            yield at('q', bucket + 8 + 8 * place), at('q', bucket + 64 + 8 * place)

format, payload = find(sys.argv[2])
layout = at('I', payload + 4)
pairs = []
for stripe in range(payload + 128, payload + 128 + 256 * at('I', payload), 256):
    table = at('Q', stripe + 64)
    base, size = table & (1 << 46) - 64, 64 if layout else 128
    for bucket in range(base, base + (size << (table & 63)), size) if base else ():
        pairs += records(bucket) if layout else words(bucket)
print(format, *sorted('%s=%s' % p for p in pairs))
`

// A Dict can be read by a program in another language: its layout is written down.
func TestPythonReadsADict(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	seg := newSegment(t, small)
	texts := need(shm.NewDict[string, string](seg, "texts", shm.DictOptions{}))
	words := need(shm.NewDict[int64, int64](seg, "words", shm.DictOptions{}))
	var wantTexts, wantWords []string
	for i := range 100 {
		for round := range 1 + i%3 {
			wantOK(t, texts.Set(background, fmt.Sprint("key", i), fmt.Sprintf("value%d.%d", i, round)))
		}
		wantOK(t, words.Set(background, int64(-i), int64(i*i)))
		wantTexts = append(wantTexts, fmt.Sprintf("key%d=value%d.%d", i, i, i%3))
		wantWords = append(wantWords, fmt.Sprintf("%d=%d", -i, i*i))
	}
	for name, want := range map[string][]string{"texts": wantTexts, "words": wantWords} {
		out, err := exec.Command(python, "-c", dictReader, seg.Path(), name).CombinedOutput()
		format, pairs, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		slices.Sort(want)
		if err != nil || pairs != strings.Join(want, " ") || format != map[string]string{"texts": "map[string]string", "words": "map[<q]<q"}[name] {
			t.Errorf("%s: %v, %s %.300s", name, err, format, pairs)
		}
	}
}
