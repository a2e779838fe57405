package main

import (
	"context"
	"errors"
	"iter"

	"github.com/shmkit/shmkit/examples/wordcount/command"
)

// stages run the tasks of a job. Each takes tasks and gives their results as they come, in any
// order. After an error there are no more results.
type stages struct {
	count func(iter.Seq[countTask]) iter.Seq2[counted, error]
	top   func(iter.Seq[topTask]) iter.Seq2[[]command.WordCount, error]
}

// job counts the files of a tree in two stages. First the workers count the files in batches. The
// result of a batch has its totals and a table of words, which is cut into parts and stays in
// shared memory. Then for each part a worker adds up that part of all tables, and returns the most
// frequent words of it. This process picks the best of those. It never reads the tables: to add
// them up here would take longer than all the counting by two workers.
//
// The tables take about half as much memory as the text.
type job struct {
	tree   *tree
	limit  int // how many of the most frequent words are wanted
	stages stages
	totals command.Totals
	parts  [partitions][]part // of the tables that the workers have made
}

func newJob(t *tree, limit int, s stages) *job {
	return &job{tree: t, limit: limit, stages: s}
}

// run counts everything. It returns early when ctx is done, with its cause.
func (j *job) run(ctx context.Context) (command.Totals, []command.WordCount, error) {
	if err := j.count(ctx); err != nil {
		return j.totals, nil, err
	}
	// The walk also ends early when ctx is done.
	if err := context.Cause(ctx); err != nil {
		return j.totals, nil, err
	}
	best, err := j.best()
	j.totals.Unreadable = j.tree.trouble.count()
	return j.totals, best, err
}

// count runs the first stage.
func (j *job) count(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	batches := j.walk(ctx)
	defer func() {
		cancel()
		for range batches { // until the walk has ended
		}
	}()
	tasks := func(yield func(countTask) bool) {
		number := 0
		for b := range batches {
			if !yield(countTask{Number: number, Pieces: b, Words: j.limit > 0}) {
				return
			}
			number++
		}
	}
	for r, err := range j.stages.count(tasks) {
		if err != nil {
			return err
		}
		if err := j.add(r); err != nil {
			return err
		}
	}
	return nil
}

// walk lists the tree in a goroutine of its own, some batches ahead of the workers.
func (j *job) walk(ctx context.Context) <-chan []piece {
	batches := make(chan []piece, 16)
	go func() {
		defer close(batches)
		for b := range j.tree.batches {
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return batches
}

// add takes the result of one task.
func (j *job) add(r counted) error {
	j.totals.Add(r.Totals)
	for _, f := range r.Failed {
		j.tree.trouble.note(f.Path, errors.New(f.Reason))
	}
	if r.Table == nil {
		return nil
	}
	if len(r.Table.Ends) != partitions {
		return errDamaged
	}
	from := 0
	for i, to := range r.Table.Ends {
		if to != from {
			j.parts[i] = append(j.parts[i], part{Bytes: r.Table.Bytes, From: from, To: to})
		}
		from = to
	}
	return nil
}

// best runs the second stage.
func (j *job) best() ([]command.WordCount, error) {
	tasks := func(yield func(topTask) bool) {
		for _, parts := range j.parts {
			if len(parts) > 0 && !yield(topTask{Parts: parts, Limit: j.limit}) {
				return
			}
		}
	}
	var lists [][]command.WordCount
	for list, err := range j.stages.top(tasks) {
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return best(j.limit, lists...), nil
}
