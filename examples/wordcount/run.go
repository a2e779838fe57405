package main

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"os"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// The tasks of the workers.
var (
	countStage = pool.Define("count", countLive)
	topStage   = pool.Define("top", func(ctx context.Context, t topTask) ([]command.WordCount, error) {
		return topWords(t, ownTable.Get(ctx))
	})
)

// ownTable is the table that a worker uses for one task after the other: a large one is costly to
// grow.
var ownTable = pool.DefineResource("table", func(context.Context, struct{}) (*table, func() error, error) {
	return new(table), nil, nil
})

// liveTask is a countTask that shows how far it is. What a killed worker has shown is not taken
// back, so that progress can run ahead of the totals.
type liveTask struct {
	Task  countTask
	Files *shm.Counter
	Sums  *shm.Array[int64] // lines, words and bytes
}

func countLive(ctx context.Context, t liveTask) (counted, error) {
	r, err := countPieces(ctx, t.Task, ownTable.Get(ctx), t.Files.Segment(), t.Files.Add)
	if err != nil {
		return r, err
	}
	return r, t.Sums.Update(ctx, func(sums []int64) error {
		sums[0] += r.Totals.Lines
		sums[1] += r.Totals.Words
		sums[2] += r.Totals.Bytes
		return nil
	})
}

// workers are the pool, and the segment in which its processes show their progress and leave the
// word tables.
type workers struct {
	pool    *pool.Pool
	segment *shm.Segment
	files   *shm.Counter
	sums    *shm.Array[int64]
}

// segmentBytes is how much memory the tables can take: that of a tree of some 30 GB. Memory is used
// only for tables that are there.
const (
	segmentBytes  = 16 << 30
	segmentTables = 1 << 14
)

func startWorkers(ctx context.Context, n int) (*workers, error) {
	seg, err := shm.Anonymous(shm.Options{Size: segmentBytes, Objects: segmentTables})
	if err != nil {
		return nil, err
	}
	w := &workers{segment: seg}
	if w.files, err = shm.NewCounter(seg, "files"); err == nil {
		w.sums, err = shm.NewArray[int64](seg, "lines, words and bytes", 3)
	}
	if err == nil {
		w.pool, err = pool.New(ctx, pool.Options{
			Workers: n, Attempts: -1, Resources: []pool.AnyResource{ownTable},
		})
	}
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return w, nil
}

// stages run on the pool.
func (w *workers) stages(ctx context.Context) stages {
	return stages{
		count: func(tasks iter.Seq[countTask]) iter.Seq2[counted, error] {
			return pool.IMapUnordered(ctx, w.pool, countStage, func(yield func(liveTask) bool) {
				for t := range tasks {
					if !yield(liveTask{Task: t, Files: w.files, Sums: w.sums}) {
						return
					}
				}
			})
		},
		top: func(tasks iter.Seq[topTask]) iter.Seq2[[]command.WordCount, error] {
			return pool.IMapUnordered(ctx, w.pool, topStage, tasks)
		},
	}
}

// progress is how much has been counted so far.
func (w *workers) progress() (files, lines, bytes int64) {
	sums := w.sums.Slice() // without the lock: sums that do not fit together may be shown
	return w.files.Sum(), sums[0], sums[2]
}

// killOne kills a random worker.
func (w *workers) killOne() {
	all := w.pool.Stats().Workers
	pid := all[rand.IntN(len(all))].PID
	if pid == 0 {
		return // it is being started just now
	}
	// FindProcess always succeeds; a worker that has just ended by itself is no longer there to
	// kill.
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill()
	}
}

// close ends the workers, and gives the memory back.
func (w *workers) close() error {
	return errors.Join(w.pool.Close(), w.segment.Close())
}
