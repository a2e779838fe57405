package pool

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// Map runs the task for every argument and returns the results in the order of the
// arguments. It waits until ctx ends.
//
// Errors: the first that comes from a task, as a [*TaskError], [*PanicError] or [*WorkerDiedError]; then tasks
// that have not begun are dropped. The context's error; [ErrClosed].
func Map[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args []A) ([]R, error) {
	results := make([]R, len(args))
	for r, err := range run(ctx, p, t, slices.Values(args), max(len(args), 1), false) {
		if err != nil {
			return nil, err
		}
		results[r.index] = r.value
	}
	return results, nil
}

// IMapUnordered runs the task for every argument and yields each result, or error of a task,
// as it comes. It takes arguments only as fast as they are worked off, a few for each worker ahead.
// The loop may be left at any time: tasks that have not begun are dropped then.
//
// The errors are those of [Map]. The context's error and [ErrClosed] come last.
func IMapUnordered[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq[A]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for r, err := range run(ctx, p, t, args, ahead*p.options.Workers, false) {
			if !yield(r.value, err) {
				return
			}
		}
	}
}

// IMap is [IMapUnordered] with the results in the order of the arguments.
func IMap[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq[A]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for r, err := range run(ctx, p, t, args, ahead*p.options.Workers, true) {
			if !yield(r.value, err) {
				return
			}
		}
	}
}

// ahead is how many tasks for each worker are on their way: one runs, and the next
// ones wait so near that the worker need not.
const ahead = 4

// A result is what came of one argument.
type result[R any] struct {
	index int
	value R
	err   error
}

// run submits the arguments and yields the results, in order or as they come, with
// at most limit arguments between those that are sent and those that are yielded. Everything happens in the caller's goroutine.
func run[A, R any](ctx context.Context, p *Pool, t *Task[A, R], args iter.Seq[A], limit int, ordered bool) iter.Seq2[result[R], error] {
	return func(yield func(result[R], error) bool) {
		next, stop := iter.Pull(args)
		defer stop()
		g := &group{ready: make(chan uint32, p.options.Backlog)}
		defer p.abandon(g)
		f := feeder[A, R]{p: p, t: t, g: g, next: next}
		line := line[R]{ordered: ordered}
		for !f.done || line.yielded < f.count {
			free := p.free
			if f.done || f.count-line.yielded >= limit {
				free = nil // a nil channel is never chosen
			}
			select {
			case i := <-free: // room for one more task
				if sent, err := f.feed(ctx, i); !sent && err != nil {
					line.add(result[R]{index: f.count - 1, err: err})
				}
			case i := <-g.ready: // a result
				line.add(take(p, t, i))
			case <-ctx.Done(): // the caller no longer waits
				yield(result[R]{}, context.Cause(ctx))
				return
			case <-p.alive.Done(): // nothing comes any more
				yield(result[R]{}, context.Cause(p.alive))
				return
			}
			if !line.drain(yield) {
				return
			}
		}
	}
}

// A line is where results wait for their turn.
type line[R any] struct {
	ordered bool
	yielded int
	waiting map[int]result[R]
	now     []result[R]
}

func (l *line[R]) add(r result[R]) {
	if !l.ordered {
		l.now = append(l.now, r)
		return
	}
	if l.waiting == nil {
		l.waiting = map[int]result[R]{}
	}
	l.waiting[r.index] = r
	for next := l.yielded; ; next++ {
		r, ok := l.waiting[next]
		if !ok {
			return
		}
		delete(l.waiting, next)
		l.now = append(l.now, r)
	}
}

// drain yields the results whose turn it is, and reports whether the caller wants more.
func (l *line[R]) drain(yield func(result[R], error) bool) bool {
	for _, r := range l.now {
		l.yielded++
		if !yield(r, r.err) {
			return false
		}
	}
	l.now = l.now[:0]
	return true
}

// A feeder turns arguments into tasks.
type feeder[A, R any] struct {
	p     *Pool
	t     *Task[A, R]
	g     *group
	next  func() (A, bool)
	count int // arguments so far
	done  bool
}

// feed sends the next argument off in slot i, if there is one. An argument that cannot be
// sent is an error in its place, and the others go on.
func (f *feeder[A, R]) feed(ctx context.Context, i uint32) (sent bool, err error) {
	arg, ok := f.next()
	if !ok {
		f.done = true
		f.p.free <- i
		return false, nil
	}
	f.count++
	b, err := f.t.args.encode(&arg)
	sl := &f.p.slots[i]
	if err == nil {
		sl.arg, sl.argLen, err = f.p.hold(b, sl.args[:])
	}
	if err != nil {
		f.p.free <- i
		return false, fmt.Errorf("pool: task %q: send the argument: %w", f.t.name, err)
	}
	if err := f.p.submit(ctx, f.g, f.count-1, f.t.name, f.t.id, i); err != nil {
		f.done = true
		return false, err
	}
	return true, nil
}
