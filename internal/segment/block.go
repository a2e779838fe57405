package segment

import (
	"context"
	"errors"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
)

// Blocks are pieces of the heap without a name. One belongs to a process until
// it is freed; when the process dies, the next process that needs space frees it.

// Alloc returns a block of n bytes, all zero, and where it is.
//
// Errors: a [*mapping.NoSpaceError], [lock.ErrClosed], [ErrCorrupt].
func (s *Segment) Alloc(n int) (off uint64, mem []byte, err error) {
	return s.take(context.Background(), n, true)
}

// AllocDirty is [Segment.Alloc] without the zeros: the bytes are those that were there before,
// which costs nothing.
func (s *Segment) AllocDirty(n int) (off uint64, mem []byte, err error) {
	return s.AllocDirtyContext(context.Background(), n)
}

// AllocDirtyContext is [Segment.AllocDirty] that waits for the directory until ctx ends.
func (s *Segment) AllocDirtyContext(ctx context.Context, n int) (off uint64, mem []byte, err error) {
	return s.take(ctx, n, false)
}

func (s *Segment) take(ctx context.Context, n int, zero bool) (off uint64, mem []byte, err error) {
	if n < 0 {
		return 0, nil, Invalid("%s: block of %d bytes: must not be negative", s.path, n)
	}
	err = s.withRoom(ctx, func() (err error) {
		off, err = s.dir.Alloc(uint64(n), directory.OwnerTag(s.Me(), 0), zero)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	crashpoint.Here("block.allocated")
	runtime.KeepAlive(s)
	return off, s.mem[off : off+uint64(n) : off+uint64(n)], nil
}

// Free gives a block of this process back. Off is what Alloc returned.
func (s *Segment) Free(off uint64) error { return s.FreeGiven(off, 0) }

// FreeGiven gives a block back that this process was given with that mark.
//
// Errors: [ErrCorrupt] when there is none: the block was never given, was freed, or is another one
// by now.
func (s *Segment) FreeGiven(off uint64, mark uint32) error {
	return s.freeUnder(context.Background(), off, mark)
}

// freeUnder is FreeGiven that waits for the directory until ctx ends.
func (s *Segment) freeUnder(ctx context.Context, off uint64, mark uint32) error {
	return s.lockedUnder(ctx, func() error { return s.dir.Free(off, directory.OwnerTag(s.Me(), mark)) })
}

// FreeSoon is [Segment.Free] that does not wait. While another process has the directory, which may
// be stopped, the block stays this process's: a goroutine frees it when that has ended. A holder of
// another lock calls it, so that those which wait for that lock wait under their own contexts.
//
// Errors: [ErrCorrupt] when there is no such block, [lock.ErrClosed].
func (s *Segment) FreeSoon(off uint64) error {
	err := s.freeUnder(ended, off, 0)
	if !errors.Is(err, errEnded) {
		return err
	}
	s.later.Lock()
	defer s.later.Unlock()
	s.unfreed = append(s.unfreed, off)
	if len(s.unfreed) == 1 {
		go s.freeLater()
	}
	return nil
}

// ended is a context under which nothing waits, and errEnded why.
var (
	errEnded = errors.New("the caller does not wait")
	ended    = func() context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errEnded)
		return ctx
	}()
)

// freeLater frees the blocks that FreeSoon could not, and ends. After Close they are a dead
// process's.
func (s *Segment) freeLater() {
	for {
		s.later.Lock()
		off := s.unfreed[0]
		s.later.Unlock()
		if err := s.Free(off); errors.Is(err, lock.ErrLocked) {
			continue // the holder is still stopped
		}
		s.later.Lock()
		s.unfreed = s.unfreed[1:]
		left := len(s.unfreed)
		s.later.Unlock()
		if left == 0 {
			return
		}
	}
}

// Reclaim frees the blocks of processes that are dead.
//
// Errors: [ErrCorrupt], [lock.ErrClosed].
func (s *Segment) Reclaim() error { return s.locked(s.dir.RebuildHeap) }

// Give makes a block of this process the property of another, as a result is handed to the caller
// that asked for it. Whichever dies in between, one of the two owns the block. The mark, up to
// [directory.MaxMark], says what it was given for: only a process that names it, too, can free the
// block.
//
// Errors: [ErrCorrupt] when there is no such block.
func (s *Segment) Give(off uint64, to proctab.Owner, mark uint32) error {
	err := s.dir.Retag(off, directory.OwnerTag(s.Me(), 0), directory.OwnerTag(to, mark), "block.given")
	runtime.KeepAlive(s)
	return err
}

// Bytes is the memory of a block of at least n bytes, as another process has named it.
//
// Errors: [ErrCorrupt] when there is no such block.
func (s *Segment) Bytes(off uint64, n int) ([]byte, error) { return s.dir.Bytes(off, n) }
