package main

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever order the words come in, the top list is the beginning of the sorted list of all.
func TestTopIsThatOfAllWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Int64Range(1, 6), 0, 60).Draw(t, "counts")
		limit := rapid.IntRange(0, 20).Draw(t, "limit")
		words := new(table)
		var all []WordCount
		for i, n := range counts {
			w := WordCount{Word: fmt.Sprintf("w%d", i), Count: n}
			words.add([]byte(w.Word), n)
			all = append(all, w)
		}
		slices.SortFunc(all, byRank)
		want := all[:min(len(all), limit)]
		if got := words.top(limit); !slices.Equal(got, want) {
			t.Fatalf("top %d of %v is %v, want %v", limit, counts, got, want)
		}
	})
}

func TestTiesAreAlphabetical(t *testing.T) {
	got := best(3,
		[]WordCount{{"pear", 2}, {"fig", 1}},
		[]WordCount{{"apple", 2}, {"Apple", 2}, {"most", 9}},
	)
	want := []WordCount{{"most", 9}, {"Apple", 2}, {"apple", 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
