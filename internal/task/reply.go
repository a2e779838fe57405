package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/yields"
)

// Results is the place for the result of a task.
type Results interface {
	// Memory returns n bytes for a result, or nil when the worker has to wait for them. Of n that
	// is at most InlineResult there are always some.
	Memory(n int) (mem []byte, err error)

	// AwaitMemory waits for n bytes. The argument of the task may go meanwhile.
	AwaitMemory(n int) (mem []byte, err error)

	// Commit makes the first n bytes of the memory that was returned last the result.
	Commit(kind uint32, n int) error

	// Yields opens the ring for the values of a task that yields, which its argument begins with,
	// and returns the argument proper, too.
	Yields(in []byte) (w *yields.Writer, arg []byte, err error)
}

// InlineResult is the size in bytes of results that always find memory.
const InlineResult = 152

// A Reply takes what a task returns, for one argument or for each of a chunk.
type Reply struct {
	To     Results
	Many   bool   // one of several
	Arg    []byte // the argument, which a result may lie in
	chunk  []byte // results of a chunk so far, in frames
	Vector vector // the chunk, if it has no frames
	Failed Failures
}

// Failures counts the arguments of a chunk that have no value.
type Failures struct {
	All    uint32
	Panics uint32 // of them, those that panicked
	Unsent uint32 // and those that the pool could not run, or whose results it could not send
}

func (f *Failures) add(kind uint32) {
	f.All++
	switch kind {
	case KindPanic:
		f.Panics++
	case KindFailed:
		f.Unsent++
	}
}

// FailuresIn counts the failures among results in frames, as far as they are complete.
func FailuresIn(chunk []byte) (f Failures) {
	for len(chunk) > 0 {
		kind, _, rest, err := CutResult(chunk)
		if err != nil {
			break
		}
		if chunk = rest; kind != KindValue && kind != KindNil {
			f.add(kind)
		}
	}
	return f
}

// Begin prepares for the next task. Many says that it has several arguments.
func (out *Reply) Begin(many bool) {
	out.Many, out.Arg, out.chunk, out.Vector.On = many, nil, out.chunk[:0], false
	out.Failed = Failures{}
}

// Attempt runs the task with one argument, or with the rest of the vector.
func (h *Handler) Attempt(ctx context.Context, item []byte, out *Reply) error {
	if out.Vector.On {
		return h.vector(ctx, &out.Vector)
	}
	return h.run(ctx, item, out)
}

// put takes the result of one argument.
func (out *Reply) put(kind uint32, b []byte) error {
	if kind == KindValue && b == nil {
		kind = KindNil
	}
	if out.Many {
		out.chunk = appendResult(out.chunk, kind, b)
		return nil
	}
	return out.place(kind, b)
}

// FailWith takes the error of a handler as the result of one argument.
func (out *Reply) FailWith(err error) {
	var own *taskError
	var panicked *guard.Panic
	switch {
	case errors.As(err, &own):
		f := FailureOf(own.err)
		tellLeftBehind(own.err, f.Registered)
		out.Fail(KindError, f)
	case errors.As(err, &panicked): // in the argument or in the result
		out.Fail(KindPanic, Failure{Text: panicked.Value, Stack: panicked.Stack})
	default:
		out.Fail(KindFailed, FailureOf(err))
	}
}

// Fail takes a failure as the result of one argument.
func (out *Reply) Fail(kind uint32, f Failure) {
	if !out.Many {
		out.FailWhole(kind, f)
		return
	}
	out.Failed.add(kind)
	if v := &out.Vector; v.On {
		out.chunk = v.flush(out.chunk, v.Next-1)
		v.sent = v.Next
	}
	b, err := wire.Encode(f)
	if err != nil {
		b, _ = wire.Encode(Failure{Text: f.Text})
	}
	out.chunk = appendResult(out.chunk, kind, b)
}

// Finish places the results of a chunk.
func (out *Reply) Finish() {
	v := &out.Vector
	switch {
	case v.On && v.sent == 0:
		out.putWhole(KindVector, v.out)
	case v.On:
		out.putWhole(KindChunk, v.flush(out.chunk, v.Count))
	case out.Many:
		out.putWhole(KindChunk, out.chunk)
	}
	v.On = false
}

// putWhole takes the result of the whole slot, or why that is impossible.
func (out *Reply) putWhole(kind uint32, b []byte) {
	if err := out.place(kind, b); err != nil {
		out.FailWhole(KindFailed, FailureOf(err))
	}
}

// FailWhole takes a failure as the result of the whole slot, cut short if there is no room for it.
func (out *Reply) FailWhole(kind uint32, f Failure) {
	b, err := wire.Encode(f)
	if err == nil && out.place(kind, b) == nil {
		return
	}
	f.Stack, f.Text = "", f.Text[:min(len(f.Text), InlineResult/2)]
	for range 2 {
		if b, err = wire.Encode(f); err == nil && len(b) <= InlineResult && out.place(kind, b) == nil {
			return
		}
		f.Registered = nil
	}
	fmt.Fprintf(os.Stderr, "pool: cannot report a failure: %s\n", f.Text)
}

// place puts a result where the parent finds it.
func (out *Reply) place(kind uint32, b []byte) error {
	mem, err := out.To.Memory(len(b))
	if mem == nil && err == nil {
		if overlap(b, out.Arg) {
			b = slices.Clone(b)
		}
		mem, err = out.To.AwaitMemory(len(b))
	}
	if err != nil {
		return err
	}
	copy(mem, b)
	return out.To.Commit(kind, len(b))
}
