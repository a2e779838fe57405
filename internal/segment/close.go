package segment

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
)

// A HeldError says which locks a process still held when it closed a segment.
type HeldError struct {
	Segment string
	Objects []string // their names
	Kept    bool     // the locks stay held until the process ends: the system does not let it leave without a trace
}

func (e *HeldError) Error() string {
	if e.Kept {
		return fmt.Sprintf("%s: closed while this process held %q: nobody gets them before this process ends", e.Segment, e.Objects)
	}
	return fmt.Sprintf("%s: closed while this process held %q: others take it for dead, and whoever locks them next is told so", e.Segment, e.Objects)
}

// Close detaches this process: its waiters get [lock.ErrClosed], and so does
// everything that begins later. The memory stays mapped for as long as a handle is
// reachable, but what is written into objects from now on stays in this process. It may be called
// again, then it does nothing.
//
// Errors: a [*HeldError] names the locks that were still held; they count as orphaned, unless it says that they are kept.
func (s *Segment) Close() error {
	s.mu.Lock()
	if s.Closed() {
		s.mu.Unlock()
		return nil
	}
	s.party.Closer.Close()
	s.mu.Unlock()

	held := s.awaitHeld()
	dismiss(s)
	memory := s.party.Keep.(*mapping.Memory)
	s.detached.Store(true)
	// Goroutines that were not waited for may still write into objects: into one whose
	// lock another process is about to take over, or whose memory is about to be reused. From here on
	// nobody sees that.
	if err := memory.Privatize(s.file, int(s.geo.heap)); err != nil && len(held) > 0 {
		// Nobody may have what a goroutine that is late could still write to: until this process
		// ends it stays attached, and the locks that it holds are waited for.
		return errors.Join(&HeldError{Segment: s.path, Objects: held, Kept: true}, err, s.file.Close())
	}
	s.leaveObjects()
	crashpoint.Here("segment.left")
	s.party.Board.Leave()
	s.party.Member.Detach()
	// Handles reach the memory through the party. When the last has gone, so may the mapping.
	runtime.AddCleanup(s.party, func(m *mapping.Memory) { m.Unmap() }, memory)
	err := s.file.Close()
	if len(held) > 0 {
		return &HeldError{Segment: s.path, Objects: held}
	}
	return err
}

// Detached reports whether others no longer see what this process writes into
// objects. Asked by a goroutine that holds an object's lock, it says that Close has given up waiting for it.
func (s *Segment) Detached() bool { return s.detached.Load() }

// awaitHeld gives operations that hold a lock just now the time to finish, and
// returns the names of the objects that are still locked after that. The directory's lock is not
// given up so soon: no code of a user runs under it, and others would see the directory half-changed.
func (s *Segment) awaitHeld() []string {
	began := time.Now()
	for ; ; time.Sleep(100 * time.Microsecond) {
		waited := time.Since(began)
		held := s.held()
		if s.lock.Held() {
			if waited < s.patience {
				continue
			}
			held = append(held, "(directory)")
		}
		if len(held) == 0 || waited >= s.grace {
			return held
		}
	}
}
