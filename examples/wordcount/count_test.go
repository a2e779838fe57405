package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shmkit/shmkit/examples/wordcount/command"
)

// countBytes counts data as one piece.
func countBytes(t require, data []byte) (command.Totals, map[string]int64) {
	words := new(table)
	var totals command.Totals
	c := newCounter(words)
	if err := c.piece(bytes.NewReader(data), piece{Length: -1}, &totals); err != nil {
		t.Fatalf("%v", err)
	}
	return totals, words.asMap()
}

// require is what the helpers need of testing.T and rapid.T.
type require interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (t *table) asMap() map[string]int64 {
	m := make(map[string]int64)
	for i := range t.slots {
		if s := &t.slots[i]; s.count != 0 {
			m[string(t.word(s))] = s.count
		}
	}
	return m
}

// plainly counts data the obvious way.
func plainly(data []byte) (command.Totals, map[string]int64) {
	totals := command.Totals{Bytes: int64(len(data)), Lines: int64(bytes.Count(data, []byte("\n")))}
	words := make(map[string]int64)
	isSeparator := func(b byte) bool { return strings.IndexByte(" \t\n\v\f\r", b) >= 0 }
	for start := 0; start < len(data); {
		end := start
		for end < len(data) && !isSeparator(data[end]) {
			end++
		}
		run := data[start:end]
		if bytes.ContainsFunc(run, func(r rune) bool { return '!' <= r && r <= '~' }) {
			totals.Words++
			words[string(run[:min(len(run), 255)])]++
		}
		start = end + 1
	}
	return totals, words
}

func TestCount(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		data         string
		lines, words int64
		table        map[string]int64
	}{
		{"", 0, 0, nil},
		{"\n", 1, 0, nil},
		{"one", 0, 1, map[string]int64{"one": 1}},
		{"one two\nthree\n", 2, 3, map[string]int64{"one": 1, "two": 1, "three": 1}},
		{" a\ta\va\fa\ra \n", 1, 5, map[string]int64{"a": 5}},
		{"a\x00b \x00 c", 0, 2, map[string]int64{"a\x00b": 1, "c": 1}},
		{"für ö \u00a0 \x85", 0, 1, map[string]int64{"für": 1}},
		{"\x80a \xffb\x7f", 0, 2, map[string]int64{"\x80a": 1, "\xffb\x7f": 1}},
		{"\x01\x02\x7f\x80\xff", 0, 0, nil},
		{long + "y " + long, 0, 2, map[string]int64{long[:255]: 2}},
	} {
		totals, table := countBytes(t, []byte(c.data))
		want := command.Totals{Lines: c.lines, Words: c.words, Bytes: int64(len(c.data))}
		if totals != want || !maps.Equal(table, c.table) {
			t.Errorf("%q: %+v %v, want %+v %v", c.data, totals, table, want, c.table)
		}
	}
}

// text draws bytes that meet every rule: words, separators, and bytes that are neither.
func text(limit int) *rapid.Generator[[]byte] {
	part := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 1, 4),
		rapid.SliceOfN(rapid.SampledFrom([]byte("ab!~\x00\x01\x1f\x7f\x80\xa0\xff \t\n\v\f\r")), 1, 8),
		rapid.Map(rapid.IntRange(250, 260), func(n int) []byte { return bytes.Repeat([]byte("w"), n) }),
		rapid.Just([]byte("the\n")),
	)
	return rapid.Map(rapid.SliceOfN(part, 0, limit), func(parts [][]byte) []byte { return bytes.Join(parts, nil) })
}

// The pieces of a file add up to the whole, wherever it is cut and however it is read.
func TestPiecesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := text(40).Draw(t, "data")
		words := new(table)
		c := newCounter(words)
		c.buffer = make([]byte, rapid.IntRange(1, 20).Draw(t, "buffer"))
		var totals command.Totals
		add := func(p piece) {
			if err := c.piece(bytes.NewReader(data), p, &totals); err != nil {
				t.Fatalf("%v", err)
			}
		}
		offset := int64(0)
		for offset < int64(len(data)) && rapid.IntRange(0, 5).Draw(t, "more") > 0 {
			length := rapid.Int64Range(1, 300).Draw(t, "length")
			add(piece{Offset: offset, Length: length})
			offset += length
		}
		add(piece{Offset: offset, Length: -1})

		want, wantWords := plainly(data)
		if got := words.asMap(); totals != want || !maps.Equal(got, wantWords) {
			t.Fatalf("%q:\n got %+v %v\nwant %+v %v", data, totals, got, want, wantWords)
		}
		sum := int64(0)
		for _, n := range words.asMap() {
			sum += n
		}
		if sum != totals.Words {
			t.Fatalf("%d words, but their counts are %d together", totals.Words, sum)
		}
	})
}

// wc runs the real wc in the C locale over files.
func wc(t *testing.T, files ...string) []command.Totals {
	t.Helper()
	cmd := exec.Command("wc", append([]string{"-l", "-w", "-c", "--"}, files...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v", err)
	}
	list := make([]command.Totals, len(files))
	for i, line := range strings.SplitN(string(out), "\n", len(files)+1)[:len(files)] {
		list[i] = parseWC(t, line)
	}
	return list
}

// parseWC reads a line that wc printed.
func parseWC(t *testing.T, line string) (totals command.Totals) {
	t.Helper()
	if _, err := fmt.Sscan(line, &totals.Lines, &totals.Words, &totals.Bytes); err != nil {
		t.Fatalf("wc printed %q: %v", line, err)
	}
	return totals
}

// needGNU skips the test if wc does not count words as that of GNU coreutils 9.1 does: others may
// let bytes that are not printable make a word.
func needGNU(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("wc"); err != nil {
		t.Skip("missing: wc")
	}
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, []byte("\x01 \x80 a\x01"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := wc(t, probe)[0].Words; n != 1 {
		t.Skipf("missing: a wc that counts only words with printable bytes; this one finds %d in the probe", n)
	}
}

// agree compares with wc, over all data in one call of it.
func agree(t *testing.T, data [][]byte) {
	t.Helper()
	dir := t.TempDir()
	files := make([]string, len(data))
	for i, d := range data {
		files[i] = filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(files[i], d, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range wc(t, files...) {
		if got, _ := countBytes(t, data[i]); got != want {
			t.Errorf("%q: got %+v, wc says %+v", data[i], got, want)
		}
	}
}

func TestCountIsThatOfWC(t *testing.T) {
	needGNU(t)
	var data [][]byte
	for b := range 256 {
		c := byte(b)
		data = append(data, []byte{c}, []byte{'a', c, 'a'}, []byte{c, 'a'}, []byte{'a', c}, []byte{' ', c, ' ', c, c})
	}
	for seed := range 500 {
		data = append(data, text(60).Example(seed))
	}
	agree(t, data)
}

func FuzzCountIsThatOfWC(f *testing.F) {
	f.Add([]byte("one two\nthree"))
	f.Add([]byte("\x80\x01a\vb\x00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		needGNU(t)
		agree(t, [][]byte{data})
	})
}

// A file that fails halfway keeps what was read of it, and the others of its batch are counted.
func TestFailuresAreNamed(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, []byte("a b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(dir, "gone")
	task := countTask{Pieces: []piece{{gone, 0, -1}, {dir, 0, -1}, {good, 0, -1}}}
	var files int64
	r, err := countPieces(t.Context(), task, new(table), nil, func(f int64) { files += f })
	if err != nil {
		t.Fatal(err)
	}
	if want := (command.Totals{Files: 2, Lines: 1, Words: 2, Bytes: 4}); r.Totals != want || files != 2 {
		t.Errorf("got %+v, %d files, want %+v", r.Totals, files, want)
	}
	if len(r.Failed) != 2 || r.Failed[0].Path != gone || r.Failed[1].Path != dir {
		t.Errorf("failures are %+v", r.Failed)
	}
}

func TestCountPiecesEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := countPieces(ctx, countTask{Pieces: []piece{{"/", 0, -1}}}, new(table), nil, nil); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

// Without a table it must take at least 300 MB a second on one core.
func BenchmarkCount(b *testing.B) {
	line := []byte("\tfor i := range n { // sum of all the values, with their \"weights\"\n")
	data := bytes.Repeat(line, 1<<20/len(line))
	for _, words := range []bool{false, true} {
		b.Run(fmt.Sprintf("words=%v", words), func(b *testing.B) {
			c := newCounter(nil)
			if words {
				c.words = new(table)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var t command.Totals
				if err := c.piece(bytes.NewReader(data), piece{Length: -1}, &t); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
