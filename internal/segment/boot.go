package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
)

// Bytes of the file that are locked for a while, each a stretch of the header that belongs to no
// slot.
const (
	// shared, by each attachment as long as it lives; alone, while it clears the process table
	lifeByte   = 128
	unlinkByte = 129 // while the file loses its name
)

// bootID is this boot in the form of the header. It is zero where the system does not tell.
func bootID() [2]uint64 {
	id := mapping.BootID()
	return [2]uint64{binary.NativeEndian.Uint64(id[:]), binary.NativeEndian.Uint64(id[8:])}
}

// beginLife shows others that this process has the file open, by a lock of its own that it shares
// with them. When it is alone it first clears what is left of processes that cannot be there any
// more: those of an earlier boot, or of the original of a copied file. That no other process is
// there is a fact, which the kernel tells: boot ids may differ between containers that share a
// directory, and a copy has that of its original.
//
// What a death leaves behind: the old boot id, or slots that are not cleared, so that the next
// opener begins again.
func (s *Segment) beginLife(ctx context.Context) error {
	life := s.table.Lock()
	// the other one tells nothing
	for end := time.Now().Add(s.patience); life != nil; {
		alone, err := mapping.TryLockByte(life, lifeByte)
		if err != nil {
			break // the kernel refuses such locks
		}
		if shared, err := s.shareLife(life, alone); shared || err != nil {
			return err
		}
		if err := s.awaitByte(ctx, end, lifeByte); err != nil {
			return err
		}
	}
	// Other processes cannot be asked. After a boot those are gone that could not be asked, either.
	if s.rebooted() && s.table.AllUnlocked() {
		if err := s.lockByte(ctx, lifeByte); err != nil {
			return err
		}
		defer mapping.UnlockByte(s.file, lifeByte)
		s.clearStale(s.rebooted())
	}
	return nil
}

// shareLife shares the lock of life, and clears what is left of others while it is alone. One that
// was not alone looks once more when it shares the lock: the process that was alone before may have
// gone without a clearing. It reports false while another process is alone.
func (s *Segment) shareLife(life *os.File, alone bool) (shared bool, err error) {
	if !alone {
		if shared, err = mapping.ShareByte(life, lifeByte); !shared || err != nil {
			return shared, err
		}
		// then the lock is shared as before
		if alone, err = mapping.TryLockByte(life, lifeByte); !alone {
			return true, err
		}
	}
	s.clearStale(s.rebooted())
	crashpoint.Here("life.cleared")
	return mapping.ShareByte(life, lifeByte)
}

// rebooted reports whether the file is known to be older than this boot, or to come from another
// machine.
func (s *Segment) rebooted() bool {
	unknown, boot, was := [2]uint64{}, bootID(), s.dir.Header().BootID()
	return boot != unknown && was != unknown && was != boot
}

// clearStale frees the slots of processes that cannot be there, with their users bits. No process
// attaches before that is done.
func (s *Segment) clearStale(rebooted bool) {
	if rebooted || s.table.Stale(false) {
		s.table.Reset(rebooted, func(slot int) { s.dir.Forget(slot) })
		crashpoint.Here("boot.reset")
	}
	if rebooted {
		s.dir.Header().SetBoot(bootID())
		crashpoint.Here("boot.done")
	}
}

// lockByte locks a byte of the file. The process that has it locked is done at once, unless it is
// stopped. Where the system refuses such locks the caller goes on without.
func (s *Segment) lockByte(ctx context.Context, off int64) error {
	for end := time.Now().Add(s.patience); ; {
		ok, err := mapping.TryLockByte(s.file, off)
		switch {
		case errors.Is(err, fs.ErrClosed):
			return err
		case ok, err != nil:
			return nil
		}
		if err := s.awaitByte(ctx, end, off); err != nil {
			return err
		}
	}
}

// awaitByte waits a moment for a byte that another process has locked, which tells nothing of its
// end. It fails when ctx has ended, or the end of the segment's patience has come.
func (s *Segment) awaitByte(ctx context.Context, end time.Time, off int64) error {
	if time.Now().After(end) {
		return s.stoppedAt(off)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for byte %d, which another process has locked: %w", s.path, off, context.Cause(ctx))
	case <-time.After(time.Millisecond):
		return nil
	}
}

// stoppedAt says that a process holds up all others.
func (s *Segment) stoppedAt(off int64) error {
	return fmt.Errorf("%s: byte %d has been locked for %v by a process that seems to be stopped: let it go on, or end it: %w",
		s.path, off, s.patience, lock.ErrLocked)
}
