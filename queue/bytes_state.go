package queue

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/ring"
)

// Cap is the length of the longest message, in bytes.
func (b *Bytes) Cap() int { return b.r.Longest() }

// Len is how many messages are in the queue, those included that are being written.
// While other processes are at work it is out of date when it is returned.
func (b *Bytes) Len() int {
	put, got, _ := b.seen.Counts()
	if b.o.Vanished() {
		return 0
	}
	runtime.KeepAlive(b)
	return int(put - got)
}

// Room is how many bytes are free. A message takes its length and at most 24 bytes more, in one
// piece: a message that is nearly as long may find no room. While other processes are at work it is
// out of date when it is returned.
func (b *Bytes) Room() int {
	room := b.seen.Room()
	if b.o.Vanished() {
		return 0
	}
	runtime.KeepAlive(b)
	return int(room)
}

// Stats returns the counts. Aborted messages count as put and as got. Each process that was killed
// within the nanoseconds in which it claims a place, or a message, may leave a count that lacks
// one.
func (b *Bytes) Stats() Stats {
	s, c := Stats{Abandoned: b.seen.Shared.Abandoned.Load()}, &b.seen.Shared.Counters
	s.Put, s.Got, s.Bytes = b.seen.Counts()
	s.Dropped, s.Waits, s.HighWater = c.Dropped.Load(), c.Waits.Load(), c.HighWater.Load()
	if b.o.Vanished() {
		s = Stats{}
	}
	runtime.KeepAlive(b)
	return s
}

// Close closes the queue for all processes, until [Bytes.Reopen]. Nothing can be put any more; what
// is in it can still be taken, and after that every Get returns [ErrClosed]. Any process may close
// it, and again. What was reserved before can still be committed.
//
// Errors: [shm.ErrClosed], [shm.ErrCorrupt].
func (b *Bytes) Close() error {
	err := b.r.Close()
	runtime.KeepAlive(b)
	return err
}

// Reopen opens a queue that was closed, for all processes. It does nothing when the queue is open.
//
// Errors: [io/fs.ErrInvalid] when messages are left in it, which would mix with those to come: take
// them first; [shm.ErrClosed], [shm.ErrCorrupt].
func (b *Bytes) Reopen() error {
	err := b.r.Reopen()
	runtime.KeepAlive(b)
	return err
}

// Closed reports whether a process has closed the queue. There may still be messages in it.
func (b *Bytes) Closed() bool {
	closed := b.seen.Closed() && !b.o.Vanished()
	runtime.KeepAlive(b)
	return closed
}

// TaskDone says that this process is done with a message that it took from a joinable queue; see
// [Queue.TaskDone].
func (b *Bytes) TaskDone() error {
	err := b.r.Tasks.Done()
	runtime.KeepAlive(b)
	return err
}

// Join waits until the queue is empty, and all messages that were taken are done, or their process
// is dead, or until ctx ends; see [Queue.Join].
func (b *Bytes) Join(ctx context.Context) error {
	err := b.late(ctx, b.r.Join(ctx), "all messages to be done", ring.Nobody, "")
	runtime.KeepAlive(b)
	return err
}
