package shmsync

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Source is an operation that may have to wait, such as the Get of a queue. The handle of the
// object makes it: [Event.Sets], the methods Gets and Puts of the queues in package queue, Reads
// and Writes of a connection of package pipe, Recvs of a typed one, pipe.Accepts of a listener.
// [Done] makes one of a channel. One Source may be given to several Selects.
//
// The zero Source is never ready, as a nil channel never is.
type Source struct{ open func() lock.Source }

func init() {
	lock.PublicSource = func(open func() lock.Source) any { return Source{open} }
	lock.OpenSource = func(public any) lock.Source { return public.(Source).private() }
}

// private is what a Select keeps of the source, for itself alone.
func (s Source) private() lock.Source {
	if s.open == nil {
		return lock.Source{}
	}
	return s.open()
}

// Done is a Source that is ready when c is closed. It is for channels that are closed to tell that
// something is over: that of a context, of a future, of the end of a process. The channel must
// carry no values: one could be received and lost.
func Done(c <-chan struct{}) Source { return Source{func() lock.Source { return lock.DoneSource(c) }} }

// Sets is a Source that is ready when e is set, or has been set since the [Select.Wait] began, even
// if it was cleared again.
func (e *Event) Sets() Source { return Source{func() lock.Source { return e.e.Source() }} }

// A Select waits until one of several operations can go on, and says which. The operation itself is
// the caller's: nothing is taken that could be lost. Another consumer may be faster: so the caller
// uses the Try form of the operation, and waits again where it finds nothing.
//
// A source is ready when its operation returns at once, with a value or with an error other than
// that there is nothing, or no room. So a queue that is closed and empty, a broken connection, a
// queue that is damaged are ready, and stay ready until [Select.Set] replaces them.
//
// A source that is always ready is returned at most once before another one that is ready. A
// consumer of a stream takes up to 64 messages before it waits again, so that the messages do not
// cost a Wait each.
//
// A Select waits as the handles do that its sources come from: it goes to sleep at once when all of
// them were made with [Park], and never sleeps when all were made with [Spin]. While it sleeps it
// holds a thread, and one more for each further 120 words that it sleeps on: a source has two to
// four.
//
// One goroutine at a time uses a Select. It is made by [NewSelect], must be closed, and must not be
// copied.
type Select struct {
	_ noCopy
	s *lock.Select
}

// NewSelect returns a Select of the sources, which Wait and Set number in this order, beginning
// with 0. A Select without sources waits until its context ends.
//
// It panics when there are more than 1024 sources.
func NewSelect(sources ...Source) *Select {
	all := make([]lock.Source, len(sources))
	for i, s := range sources {
		all[i] = s.private()
	}
	return &Select{s: lock.NewSelect(all)}
}

// Wait waits until a source is ready, or ctx ends, and returns its index. A source that is ready at
// once is returned even when ctx has ended.
//
// Errors: the context's error; [ErrClosed] when this process has closed the segment of a source, or
// its handle, or s itself, whatever the other sources are. The index is -1 then.
func (s *Select) Wait(ctx context.Context) (int, error) {
	i, err := s.s.Wait(ctx)
	if err != nil {
		return -1, selectError(err)
	}
	return i, nil
}

func selectError(err error) error {
	if errors.Is(err, lock.ErrClosed) {
		return fmt.Errorf("shmsync: select: the segment or the handle of a source, or the Select, was closed: %w", ErrClosed)
	}
	if readOnly := new(segment.ReadOnlyError); errors.As(err, &readOnly) {
		return fmt.Errorf("shmsync: select: %w", readOnly)
	}
	return fmt.Errorf("shmsync: select: no source is ready: %w", err)
}

// Try returns the index of a source that is ready, without waiting. It reports false when there is
// none, or s is closed.
func (s *Select) Try() (i int, ok bool) { return s.s.Try() }

// Set replaces source i, which is from 0 to one less than the number of sources. A zero Source
// takes it out.
func (s *Select) Set(i int, src Source) { s.s.Set(i, src.private()) }

// Close ends the use of s. A wake-up that Wait has returned and that the caller has not used goes
// to another waiter. Close may be called again; it returns nil.
func (s *Select) Close() error {
	s.s.Close()
	return nil
}
