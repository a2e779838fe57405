package main

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shmkit/shmkit/examples/wordcount/command"
)

// Whatever order the words come in, the top list is the beginning of the sorted list of all.
func TestTopIsThatOfAllWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Int64Range(1, 6), 0, 60).Draw(t, "counts")
		limit := rapid.IntRange(0, 20).Draw(t, "limit")
		words := new(table)
		var all []command.WordCount
		for i, n := range counts {
			w := command.WordCount{Word: fmt.Sprintf("w%d", i), Count: n}
			words.add([]byte(w.Word), n)
			all = append(all, w)
		}
		slices.SortFunc(all, command.ByRank)
		want := all[:min(len(all), limit)]
		if got := words.top(limit); !slices.Equal(got, want) {
			t.Fatalf("top %d of %v is %v, want %v", limit, counts, got, want)
		}
	})
}

func TestTiesAreAlphabetical(t *testing.T) {
	got := best(3,
		[]command.WordCount{{Word: "pear", Count: 2}, {Word: "fig", Count: 1}},
		[]command.WordCount{{Word: "apple", Count: 2}, {Word: "Apple", Count: 2}, {Word: "most", Count: 9}},
	)
	want := []command.WordCount{{Word: "most", Count: 9}, {Word: "Apple", Count: 2}, {Word: "apple", Count: 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
