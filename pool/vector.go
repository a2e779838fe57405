package pool

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// A vector is the chunk that a worker runs of a task whose arguments are of fixed size, or slices of such
// elements, and whose results are of fixed size: those lie one after the other, without frames. Each result has its
// place before its task runs, so that a task costs the loop around its function little. A failure has all results of
// the chunk go in frames.
type vector struct {
	on    bool
	in    []byte         // the arguments
	rest  arguments      // those that have not run, where they are slices
	out   []byte         // the results, in memory of this process
	count int            // of both
	next  int            // the argument that runs next
	sent  int            // results before it are in frames
	at    *atomic.Uint32 // tells which argument runs, if the worker dies
	size  int            // bytes of a result
}

// vectorRunner runs the rest of a vector, until an argument fails.
type vectorRunner func(ctx context.Context, v *vector) error

// runVector is the vectorRunner of a task, nil when it has none.
func runVector[A, R any](t *Task[A, R], f func(context.Context, A) (R, error)) vectorRunner {
	switch {
	case t.rets.way != wayRaw:
		return nil
	case t.args.way == wayRaw:
		return runValues(t, f)
	case t.args.way == waySlice:
		return runSlices(t, f)
	}
	return nil
}

func runValues[A, R any](t *Task[A, R], f func(context.Context, A) (R, error)) vectorRunner {
	bools, size := t.args.bools, t.args.size
	return func(ctx context.Context, v *vector) error {
		args, rets := elementsIn[A](v.in, v.count), elementsIn[R](v.out, v.count)
		for v.next < len(args) {
			i := v.next
			storeAt(v.at, uint32(i))
			arg := args[i]
			if bools != nil {
				bools.Mend(bytesOf(&arg, size))
			}
			v.next++ // whatever f does, it does it once
			r, err := f(ctx, arg)
			if err != nil {
				return &taskError{err}
			}
			rets[i] = r
		}
		return nil
	}
}

func runSlices[A, R any](t *Task[A, R], f func(context.Context, A) (R, error)) vectorRunner {
	args := t.args
	return func(ctx context.Context, v *vector) error {
		rets := elementsIn[R](v.out, v.count)
		for v.next < len(rets) {
			i := v.next
			storeAt(v.at, uint32(i))
			v.next++
			b, err := v.rest.next()
			if err != nil {
				return err
			}
			arg, err := args.view(b)
			if err != nil {
				return fmt.Errorf("decode the argument: %w", err)
			}
			r, err := f(ctx, arg)
			if err != nil {
				return &taskError{err}
			}
			rets[i] = r
		}
		return nil
	}
}

// begin makes v the vector of a chunk of count arguments, if the task has one.
//
// Errors: bytes that are no such arguments.
func (v *vector) begin(h *handler, sl *tasktable.Slot, in []byte, rest arguments, count int) error {
	*v = vector{out: v.out[:0]}
	if h.vector == nil {
		return nil
	}
	if h.args.way == wayRaw && (len(in) != count*h.args.size || !aligned(in)) {
		return errChunk
	}
	v.on, v.in, v.rest, v.count, v.at, v.size = true, in, rest, count, &sl.At, h.retSize
	v.out = alignedBytes(v.out, count*v.size)
	return nil
}

// flush puts the results before the one with that index into frames, appended to chunk.
func (v *vector) flush(chunk []byte, index int) []byte {
	for ; v.sent < index; v.sent++ {
		chunk = appendResult(chunk, kindValue, v.out[v.sent*v.size:(v.sent+1)*v.size])
	}
	return chunk
}
