package pool

import (
	"context"
	"iter"
)

// AsCompleted yields the futures in the order in which they end, and waits for each until ctx ends.
// A future that is given twice comes twice; those that have ended already come first, in their
// order. When ctx ends before a future does, a nil future with the cause is the last thing that it
// yields. Tasks go on when the loop is left.
func AsCompleted[R any](ctx context.Context, futures ...*Future[R]) iter.Seq2[*Future[R], error] {
	return func(yield func(*Future[R], error) bool) {
		ended := make(chan *Future[R], len(futures)) // all of them find room
		left := make(chan struct{})
		defer close(left)
		for _, f := range futures {
			if f.Ready() {
				ended <- f
				continue
			}
			go func() {
				select {
				case <-f.Done():
					ended <- f
				case <-left: // the caller wants no more
				}
			}()
		}
		for range futures {
			f, err := nextEnded(ctx, ended)
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// nextEnded is the next future that has ended. One that has ended already comes also when ctx has
// ended.
//
// Errors: the cause of the end of ctx.
func nextEnded[R any](ctx context.Context, ended <-chan *Future[R]) (*Future[R], error) {
	select {
	case f := <-ended:
		return f, nil
	default:
	}
	select {
	case f := <-ended:
		return f, nil
	case <-ctx.Done(): // the caller no longer waits
		return nil, context.Cause(ctx)
	}
}
