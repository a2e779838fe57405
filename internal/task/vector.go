package task

import (
	"context"
	"fmt"
	"sync/atomic"
)

// A vector is the chunk that a worker runs of a task with arguments of fixed size, or slices of
// such elements, and with results of fixed size. They lie one after the other, without frames. Each
// result has its place before its task runs, so that the loop around the function costs little.
// After a failure all results of the chunk go in frames.
type vector struct {
	On    bool
	in    []byte         // the arguments
	rest  Arguments      // those that have not run, where they are slices
	out   []byte         // the results, in memory of this process
	Count int            // of both
	Next  int            // the argument that runs next
	sent  int            // results before it are in frames
	at    *atomic.Uint32 // tells which argument runs, if the worker dies
	size  int            // bytes of a result
}

// vectorRunner runs the rest of a vector, until an argument fails.
type vectorRunner func(ctx context.Context, v *vector) error

// runVector is the vectorRunner of a task, nil when it has none.
func runVector[A, R any](args Codec[A], rets Codec[R], f func(context.Context, A) (R, error)) vectorRunner {
	switch {
	case rets.Way != WayRaw:
		return nil
	case args.Way == WayRaw:
		return runValues[A, R](args, f)
	case args.Way == WaySlice:
		return runSlices[A, R](args, f)
	}
	return nil
}

func runValues[A, R any](c Codec[A], f func(context.Context, A) (R, error)) vectorRunner {
	bools, size := c.Bools, c.Size
	return func(ctx context.Context, v *vector) error {
		args, rets := elementsIn[A](v.in, v.Count), elementsIn[R](v.out, v.Count)
		for v.Next < len(args) {
			i := v.Next
			storeAt(v.at, uint32(i))
			arg := args[i]
			if bools != nil {
				bools.Mend(bytesOf(&arg, size))
			}
			v.Next++ // whatever f does, it does it once
			r, err := f(ctx, arg)
			if err != nil {
				return &taskError{err}
			}
			rets[i] = r
		}
		return nil
	}
}

func runSlices[A, R any](args Codec[A], f func(context.Context, A) (R, error)) vectorRunner {
	return func(ctx context.Context, v *vector) error {
		rets := elementsIn[R](v.out, v.Count)
		for v.Next < len(rets) {
			i := v.Next
			storeAt(v.at, uint32(i))
			v.Next++
			b, err := v.rest.Next()
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

// Begin makes v the vector of a chunk of count arguments, if the task has one.
//
// Errors: bytes that are no such arguments.
func (v *vector) Begin(h *Handler, at *atomic.Uint32, in []byte, rest Arguments, count int) error {
	*v = vector{out: v.out[:0]}
	if h.vector == nil {
		return nil
	}
	if h.Args.way == WayRaw && (len(in) != count*h.Args.size || !aligned(in)) {
		return ErrChunk
	}
	v.On, v.in, v.rest, v.Count, v.at, v.size = true, in, rest, count, at, h.retSize
	v.out = alignedBytes(v.out, count*v.size)
	return nil
}

// flush puts the results before the one with that index into frames, appended to chunk.
func (v *vector) flush(chunk []byte, index int) []byte {
	for ; v.sent < index; v.sent++ {
		chunk = appendResult(chunk, KindValue, v.out[v.sent*v.size:(v.sent+1)*v.size])
	}
	return chunk
}
