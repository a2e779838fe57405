package main

import (
	"slices"

	"github.com/shmkit/shmkit/examples/wordcount/command"
)

// ranking keeps the limit most frequent words of those that are added.
type ranking struct {
	limit int
	list  []command.WordCount // up to 2*limit, so that most words are added without sorting
	floor int64               // words below it are surely not among the limit most frequent
}

// add offers a word that has not been offered before.
func (r *ranking) add(word []byte, count int64) {
	if count < r.floor {
		return
	}
	r.list = append(r.list, command.WordCount{Word: string(word), Count: count})
	if len(r.list) >= 2*r.limit {
		r.cut()
	}
}

// cut drops all but the limit best.
func (r *ranking) cut() {
	r.list = best(r.limit, r.list)
	if len(r.list) == r.limit && r.limit > 0 {
		r.floor = r.list[r.limit-1].Count
	}
}

// best gives the n most frequent words of several lists, which have no word in common.
func best(n int, lists ...[]command.WordCount) []command.WordCount {
	all := slices.Concat(lists...)
	slices.SortFunc(all, command.ByRank)
	return all[:min(len(all), n)]
}

// top gives the n most frequent words of t, in order.
func (t *table) top(n int) []command.WordCount {
	r := ranking{limit: n}
	for i := range t.slots {
		if s := &t.slots[i]; s.count != 0 {
			r.add(t.word(s), s.count)
		}
	}
	r.cut()
	return r.list
}
