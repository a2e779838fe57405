package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
)

// Bytes of the file that are locked for a while, each a stretch of the header that is nobody's
// slot.
const (
	bootByte   = 128 // while the first opener after a boot clears the process table
	unlinkByte = 129 // while the file loses its name
)

// bootID is this boot in the form of the header. It is zero where the system does not tell.
func bootID() [2]uint64 {
	id := mapping.BootID()
	return [2]uint64{binary.NativeEndian.Uint64(id[:]), binary.NativeEndian.Uint64(id[8:])}
}

func (h *header) bootID() [2]uint64 { return [2]uint64{h.boot[0].Load(), h.boot[1].Load()} }

// setBoot is called by one process at a time.
//
// SYNC: boot: who reads both halves sees that the process table was cleared.
func (h *header) setBoot(id [2]uint64) {
	h.boot[0].Store(id[0])
	crashpoint.Here("boot.half")
	h.boot[1].Store(id[1])
}

// surviveBoot clears the process table of a file that is older than this boot: the processes in it
// are gone, and no kernel is left that knows it. Nobody attaches before that is done.
//
// What a death leaves behind: the old boot id, so that the next opener begins again.
func (s *Segment) surviveBoot() error {
	boot, h := bootID(), headerIn(s.mem)
	if unknown := [2]uint64{}; boot == unknown || h.bootID() == unknown || h.bootID() == boot {
		return nil
	}
	if err := s.lockByte(bootByte); err != nil {
		return err
	}
	defer mapping.UnlockByte(s.file, bootByte)
	if h.bootID() == boot {
		return nil
	}
	s.table.Reset()
	crashpoint.Here("boot.reset")
	for i := range s.usedEntries() {
		s.clearUsers(i)
		crashpoint.Here("boot.clearing")
	}
	h.setBoot(boot)
	crashpoint.Here("boot.done")
	return nil
}

// lockByte locks a byte of the file. The process that has it locked is done at once, unless it is
// stopped. Where the system refuses such locks the caller goes on without.
func (s *Segment) lockByte(off int64) error {
	for end := time.Now().Add(s.patience); ; time.Sleep(time.Millisecond) {
		ok, err := mapping.TryLockByte(s.file, off)
		switch {
		case errors.Is(err, fs.ErrClosed):
			return err
		case ok, err != nil:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%s: byte %d has been locked for %v by a process that seems to be stopped: let it go on, or end it: %w",
				s.path, off, s.patience, lock.ErrLocked)
		}
	}
}
