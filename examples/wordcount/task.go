package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/shm"
)

// The two kinds of tasks. Each depends on nothing but its argument and the files. When a worker is
// killed, its task runs again in another worker, and no file is counted twice.
type (
	// countTask counts pieces of files.
	countTask struct {
		Number int // of the task
		Pieces []piece
		Words  bool // whether the frequency of the words is wanted
	}

	// counted is its result.
	counted struct {
		Totals command.Totals
		Failed []failure
		Table  *sharedTable // nil if not wanted, or without words
	}

	// failure is a file that could not be read.
	failure struct {
		Path, Reason string
	}

	// topTask adds up one part of many tables, and wants the Limit most frequent words of it.
	topTask struct {
		Parts []part
		Limit int
	}
)

// sharedTable is an encoded table in shared memory. Only handles of it travel between processes.
type sharedTable struct {
	Bytes *shm.RawArray[byte]
	Ends  []int // where each partition ends in Bytes
}

// part is a range of bytes of a sharedTable: one partition.
type part struct {
	Bytes    *shm.RawArray[byte]
	From, To int
}

// countPieces runs a countTask, with a table that it may use meanwhile. It calls done after each
// piece, with the number of files that begin in it, and leaves the words in seg.
func countPieces(ctx context.Context, t countTask, words *table, seg *shm.Segment, done func(files int64)) (counted, error) {
	words.reset()
	c := newCounter(nil)
	if t.Words {
		c.words = words
	}
	var r counted
	for _, p := range t.Pieces {
		if err := context.Cause(ctx); err != nil {
			return counted{}, err
		}
		before := r.Totals.Files
		if err := c.file(p, &r.Totals); err != nil {
			r.Failed = append(r.Failed, failure{Path: p.Path, Reason: err.Error()})
		}
		done(r.Totals.Files - before)
	}
	var err error
	if words.used > 0 {
		r.Table, err = share(words, seg, fmt.Sprintf("words of task %d", t.Number))
	}
	return r, err
}

// share encodes words into an array of that name. If the array exists already, it was left by a
// worker that was killed in the same task.
func share(words *table, seg *shm.Segment, name string) (*sharedTable, error) {
	if err := seg.RemoveObject(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ends := words.layOut()
	a, err := shm.NewRawArray[byte](seg, name, ends[partitions-1])
	if err != nil {
		return nil, err
	}
	words.encode(a.Slice(), ends)
	return &sharedTable{Bytes: a, Ends: ends}, nil
}

// topWords runs a topTask, with a table that it may use meanwhile.
func topWords(t topTask, words *table) ([]command.WordCount, error) {
	words.reset()
	for _, p := range t.Parts {
		bytes := p.Bytes.Slice()
		if p.From < 0 || p.To < p.From || p.To > len(bytes) {
			return nil, fmt.Errorf("%s: %w", p.Bytes.Name(), errDamaged)
		}
		if err := words.merge(bytes[p.From:p.To]); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Bytes.Name(), err)
		}
	}
	return words.top(t.Limit), nil
}
