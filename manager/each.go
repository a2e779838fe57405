package manager

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/shmkit/shmkit/internal/frame"
)

// items are the values of an iteration that have come and were not consumed.
type items struct {
	come chan struct{} // has a value when there may be news

	mu     sync.Mutex
	queue  [][]byte
	bytes  int
	ended  bool // the request has its answer
	answer request
}

// item adds a value. The caller holds l.mu.
func (l *link) item(q *request, h *frame.Head, payload []byte) (err error) {
	if h.Flags&frame.Chunked != 0 {
		if payload, err = q.part.Last(payload, l.max); err != nil {
			return err
		}
	} else {
		payload = bytes.Clone(frame.Value(h.Flags, payload))
	}
	if q.abandoned {
		return nil
	}
	if q.items == nil {
		return fmt.Errorf("%w: a value of no iteration", frame.ErrGarbage)
	}
	return q.items.add(payload)
}

func (it *items) add(b []byte) error {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.bytes > window {
		return fmt.Errorf("%w: more values than there is room for", frame.ErrGarbage)
	}
	it.queue = append(it.queue, b)
	it.bytes += frame.HeadSize + len(b)
	it.tell()
	return nil
}

// finish notes the answer, which comes after all values.
func (it *items) finish(q *request) {
	it.mu.Lock()
	defer it.mu.Unlock()
	it.answer = request{kind: q.kind, flags: q.flags, object: q.object, payload: append([]byte(nil), q.payload...), err: q.err}
	it.ended = true
	it.tell()
}

func (it *items) tell() {
	select {
	case it.come <- struct{}{}:
	default:
	}
}

// next waits for the next value. more is false at the end, when answer is there.
func (it *items) next(ctx context.Context) (b []byte, more bool, err error) {
	for {
		it.mu.Lock()
		switch {
		case len(it.queue) > 0:
			b, it.queue = it.queue[0], it.queue[1:]
			it.bytes -= frame.HeadSize + len(b)
			it.mu.Unlock()
			return b, true, nil
		case it.ended:
			it.mu.Unlock()
			return nil, false, nil
		}
		it.mu.Unlock()
		select {
		case <-it.come:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// Each calls the method, made by [Yields], and yields its values while it goes on. The manager
// sends at most 256 KiB ahead of the loop: so a slow loop slows the method down. Leaving the loop
// ends the context of the method. An error ends the iteration. A method made by [Method] yields its
// result.
//
// Errors: those of [Call.Call].
func (c *Call[T, A, R]) Each(ctx context.Context, ref *Ref[T], a A) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		if !c.m.yields {
			yield(c.Call(ctx, ref, a))
			return
		}
		var none R
		it := &items{come: make(chan struct{}, 1)}
		l, q, err := c.start(ctx, ref, a, it)
		if err != nil {
			yield(none, named(err, c.m.name))
			return
		}
		defer l.abandon(q) // it does nothing after the answer
		consumed := 0
		for {
			b, more, err := it.next(ctx)
			if err == nil && !more {
				if err = it.answer.err; err == nil && it.answer.kind == kindError {
					err = l.errorFrom(c.m.name, it.answer.payload)
				}
				if err == nil {
					return
				}
			}
			var r R
			if err == nil {
				r, err = c.rets.Decode(b)
			}
			if err != nil {
				yield(none, named(err, c.m.name))
				return
			}
			if !yield(r, nil) {
				return
			}
			if consumed += frame.HeadSize + len(b); consumed >= window/2 {
				l.w.Send(ctx, frame.Control, &frame.Head{Kind: kindMore, Call: q.call, Object: uint64(consumed)}, nil)
				consumed = 0
			}
		}
	}
}

// start sends the call of an iteration.
func (c *Call[T, A, R]) start(ctx context.Context, ref *Ref[T], a A, it *items) (*link, *request, error) {
	b, err := c.args.Encode(&a)
	if err != nil {
		return nil, nil, fmt.Errorf("argument: %w", err)
	}
	for {
		l, serial, err := ref.resolve(ctx)
		if err != nil {
			return nil, nil, err
		}
		var h frame.Head
		payload, err := c.head(ctx, l, serial, b, &h)
		if err != nil {
			return nil, nil, err
		}
		h.Flags |= flagIterate
		q, err := l.begin(ctx, it, len(payload))
		if err == nil {
			err = l.send(ctx, q, &h, payload)
		}
		if err == errDead && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		l.kickReader()
		return l, q, nil
	}
}
