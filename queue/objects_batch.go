package queue

import "context"

// PutBatch appends all values, in this order but perhaps with others between them, and returns how
// many it has appended. It waits for room until ctx ends. With [DropNewest], when there is no room
// for one it and the rest are dropped, and n is less than len(vs) without an error.
//
// Errors: those of [Objects.Put]; n values are in the queue then.
func (q *Objects[T]) PutBatch(ctx context.Context, vs []T) (n int, err error) {
	return putAll(q.b.r, vs, func(v T) error { return q.put(ctx, v) })
}

// GetBatch takes as many of the oldest values as there are, up to len(into), and returns how many
// it has taken. It waits for the first until ctx ends. For an empty into it does nothing.
//
// Errors: those of [Objects.Get]; n values have been taken then, and with a [*DecodeError] one more
// that is lost.
func (q *Objects[T]) GetBatch(ctx context.Context, into []T) (n int, err error) {
	for n < len(into) {
		var v T
		if n == 0 {
			v, err = q.Get(ctx)
		} else {
			v, err = q.TryGet()
		}
		if _, bad := err.(*DecodeError); err != nil && (n == 0 || bad) {
			return n, err
		}
		if err != nil {
			break
		}
		into[n] = v
		n++
	}
	return n, nil
}

// Cap is the length of the longest encoded value, in bytes.
func (q *Objects[T]) Cap() int { return q.b.Cap() }

// Len is how many values are in the queue; see [Bytes.Len].
func (q *Objects[T]) Len() int { return q.b.Len() }

// Stats returns the counts; see [Bytes.Stats].
func (q *Objects[T]) Stats() Stats { return q.b.Stats() }

// Close closes the queue for all processes; see [Bytes.Close].
func (q *Objects[T]) Close() error { return q.b.Close() }

// Reopen opens a queue that was closed; see [Bytes.Reopen].
func (q *Objects[T]) Reopen() error { return q.b.Reopen() }

// Closed reports whether a process has closed the queue. There may still be values in it.
func (q *Objects[T]) Closed() bool { return q.b.Closed() }

// TaskDone says that this process is done with a value that it took from a joinable queue; see
// [Queue.TaskDone].
func (q *Objects[T]) TaskDone() error { return q.b.TaskDone() }

// Join waits until the queue is empty, and all values that were taken are done, or their process is
// dead, or until ctx ends; see [Queue.Join].
func (q *Objects[T]) Join(ctx context.Context) error { return q.b.Join(ctx) }
