package main

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// encoded gives the parts of a table, and where each ends.
func encoded(words *table) (out []byte, ends []int) {
	ends = words.layOut()
	out = make([]byte, ends[partitions-1])
	words.encode(out, ends)
	return out, ends
}

// A table that travels in parts, and is merged with others, is the table of all the words.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := make(map[string]int64)
		var merged [partitions]table
		source := new(table)
		for range rapid.IntRange(0, 4).Draw(t, "tables") {
			source.reset()
			own := make(map[string]int64)
			for range rapid.IntRange(0, 30).Draw(t, "words") {
				word := rapid.SliceOfN(rapid.ByteRange('a', 'd'), 1, 20).Draw(t, "word")
				n := rapid.Int64Range(1, 1<<40).Draw(t, "count")
				source.add(word, n)
				own[string(word)] += n
				want[string(word)] += n
			}
			if got := source.asMap(); !maps.Equal(got, own) || source.used != len(own) {
				t.Fatalf("got %v, want %v", got, own)
			}
			encoded, ends := encoded(source)
			from := 0
			for i, to := range ends {
				if err := merged[i].merge(encoded[from:to]); err != nil {
					t.Fatalf("%v", err)
				}
				from = to
			}
		}
		got := make(map[string]int64)
		for i := range merged {
			for word, n := range merged[i].asMap() {
				if _, ok := got[word]; ok {
					t.Fatalf("%q is in two partitions", word)
				}
				got[word] = n
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestTableGrows(t *testing.T) {
	words := new(table)
	const n = 100_000
	for round := range 2 {
		for i := range n {
			words.add(fmt.Appendf(nil, "word%d", i), int64(i+1))
		}
		if words.used != n {
			t.Fatalf("%d words, want %d", words.used, n)
		}
		for word, count := range words.asMap() {
			var i int64
			if _, err := fmt.Sscanf(word, "word%d", &i); err != nil || count != (i+1)*int64(round+1) {
				t.Fatalf("%q is counted %d times in round %d", word, count, round)
			}
		}
	}
}

// The partitions must be of similar size, or one task would do the work of all.
func TestPartitionsAreEven(t *testing.T) {
	words := new(table)
	const n = 64_000
	for i := range n {
		words.add(fmt.Appendf(nil, "%x", i), 1)
	}
	sizes := make([]int, partitions)
	for i := range words.slots {
		if s := &words.slots[i]; s.count != 0 {
			sizes[s.part()]++
		}
	}
	for i, size := range sizes {
		if size < n/partitions/2 || size > n/partitions*2 {
			t.Errorf("partition %d has %d of %d words", i, size, n)
		}
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("\x01a\x01\x03the\xff\x01"))
	f.Add([]byte("\xffshort"))
	f.Add([]byte("\x01a\x00"))
	f.Add([]byte("\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, part []byte) {
		words := new(table)
		err := words.merge(part)
		if err != nil && !errors.Is(err, errDamaged) {
			t.Fatal(err)
		}
		// What was understood must survive the next transfer.
		again := new(table)
		if words.hasWrapped() {
			return
		}
		out, _ := encoded(words)
		if err := again.merge(out); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(again.asMap(), words.asMap()) {
			t.Fatalf("%v became %v", words.asMap(), again.asMap())
		}
	})
}

// hasWrapped reports whether a sum of counts was too large, which only damaged tables have.
func (t *table) hasWrapped() bool {
	for _, n := range t.asMap() {
		if n < 0 {
			return true
		}
	}
	return false
}
