package pool

import (
	"context"
	"iter"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/task"
)

// Map runs the task for every argument and returns the results in the order of the
// arguments. It waits until ctx ends.
//
// Errors: the first that comes, those of [Apply]; then tasks that have not begun are dropped, and
// the contexts of those that run end.
func Map[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args []A) ([]R, error) {
	if err := p.core.Admit(); err != nil {
		return nil, err
	}
	defer p.core.Dismiss()
	return mapAdmitted(ctx, p, t, args)
}

func mapAdmitted[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args []A) ([]R, error) {
	results := make([]R, len(args))
	r := newRun(p, t)
	r.source = &sliceSource[A]{args: args, codec: t.args}
	r.into = results
	defer r.close()
	r.admitted = true
	r.window = mapWindow * r.sizing.workers
	r.sizing.left = len(args)
	err := r.all(ctx, func(index int, value *R, err error) (more bool, _ error) {
		if err == nil {
			results[index] = *value
		}
		return true, err
	})
	// Handles in them keep objects without a name until workers have opened those.
	runtime.KeepAlive(args)
	if err != nil {
		return nil, err
	}
	return results, nil
}

// IMapUnordered runs the task for every argument and yields each result, or error of a task, as it
// comes. It takes arguments only as fast as they are worked off, at most 8 chunks for each worker
// ahead. The loop may be left at any time: tasks that have not begun are dropped then, and the
// contexts of those that run end. A panic of the iterator args does the same.
//
// The iterator runs in a goroutine of its own, at the same time as the body of the loop. So it may
// be slow, or wait for an earlier result; a chunk is sent before it is full when nothing else is on
// its way. Memory of an argument may be used again when yield returns. An iterator that is busy
// when the call ends is waited for for a tenth of a second; then it goes on alone until it yields.
//
// The errors are those of [Apply]. The cause of the end of ctx and [ErrClosed] come last.
func IMapUnordered[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq[A]) iter.Seq2[R, error] {
	return imap(ctx, p, t, infallible(args), false)
}

// IMap is [IMapUnordered] with the results in the order of the arguments. At most 32 chunks for
// each worker are under way, including those with results that wait for their turn. Such results
// are in the caller's memory. While they take more than four times Options.Memory no more arguments
// are taken.
func IMap[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq[A]) iter.Seq2[R, error] {
	return imap(ctx, p, t, infallible(args), true)
}

// IMapUnorderedErr is [IMapUnordered] for arguments that can fail to come. The first error among
// them comes last, after the results of the arguments before it.
func IMapUnorderedErr[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq2[A, error]) iter.Seq2[R, error] {
	return imap(ctx, p, t, args, false)
}

// IMapErr is [IMap] for arguments that can fail to come, as [IMapUnorderedErr].
func IMapErr[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq2[A, error]) iter.Seq2[R, error] {
	return imap(ctx, p, t, args, true)
}

func infallible[A any](args iter.Seq[A]) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		for a := range args {
			if !yield(a, nil) {
				return
			}
		}
	}
}

const (
	// slots on their way for each worker: the next ones wait so near that no worker need
	imapWindow = 8
	mapWindow  = 64 // the arguments of Map are there anyway
)

func imap[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq2[A, error], ordered bool) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		r := newRun(p, t)
		f := newFeeder(args, t.args.Encode, func() { p.core.Wake(r.w) })
		left := false // other than by a panic or the end of the goroutine
		defer func() {
			if end := f.stop(); left && end != nil {
				end.passOn()
			}
		}()
		defer r.close()
		r.source = f
		r.lazy, r.share = true, p.core.MemoryLimit()/2
		r.window = imapWindow * r.sizing.workers
		r.sizing.left = -1
		emit := func(_ int, value *R, err error) (bool, error) { return yield(*value, err), nil }
		if ordered {
			line := line[R]{emit: emit, waiting: map[int]arrived[R]{}, size: &r.size, held: &r.held}
			emit = line.add
			r.unread = func() int { return len(line.waiting) }
		}
		if err := r.all(ctx, emit); err != nil {
			var zero R
			yield(zero, err)
		}
		left = true
	}
}

// A sliceSource are arguments that are there.
type sliceSource[A any] struct {
	args  []A
	codec task.Codec[A]
	sent  int
}

func (s *sliceSource[A]) next(time.Duration, bool) (b []byte, there bool, end *feedEnd, err error) {
	if s.sent == len(s.args) {
		return nil, false, &feedEnd{}, nil
	}
	s.sent++
	b, err = s.codec.Encode(&s.args[s.sent-1])
	return b, true, nil, err
}

func (s *sliceSource[A]) allow(int, int, bool) {}

func (s *sliceSource[A]) some(most int, parts [][]byte) (c task.Content, count int) {
	args := s.args[s.sent:min(s.sent+most, len(s.args))]
	switch s.codec.Way {
	case task.WayRaw:
		if size := s.codec.Size; size > 0 {
			args = args[:min(len(args), max(1, chunkBytes/size))]
		}
		s.sent += len(args)
		return task.ContentOf(task.BytesOfSlice(&args, s.codec.Size)), len(args)
	case task.WaySlice:
		bytes := 0
		for i := 0; i < len(args) && bytes < chunkBytes; i++ {
			parts = append(parts, task.BytesOfSlice(&args[i], s.codec.Size))
			bytes += len(parts[i])
		}
		s.sent += len(parts)
		if len(parts) == 1 {
			return task.ContentOf(parts[0]), 1
		}
		return task.ContentOfParts(parts), len(parts)
	}
	return task.Content{}, 0
}

// A line is where results wait for their turn.
type line[R any] struct {
	emit    func(index int, value *R, err error) (more bool, _ error)
	next    int
	waiting map[int]arrived[R]
	size    *int // bytes of the result that comes
	held    *int // bytes of the results that wait
}

type arrived[R any] struct {
	value R
	err   error
	size  int
}

func (l *line[R]) add(index int, value *R, err error) (more bool, _ error) {
	if index != l.next {
		l.waiting[index] = arrived[R]{*value, err, *l.size}
		*l.held += *l.size
		return true, nil
	}
	for more = true; more; {
		if more, _ = l.emit(index, value, err); !more {
			break
		}
		l.next++
		a, ok := l.waiting[l.next]
		if !ok {
			break
		}
		delete(l.waiting, l.next)
		*l.held -= a.size
		value, err = &a.value, a.err
	}
	return more, nil
}
