//go:build linux

package bench

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// track is the memory that the racing processes share besides the measured objects. It has the
// start line of a round, and the words that the measured objects guard or order, each on cache
// lines of its own.
type track struct {
	arrived   atomic.Int64
	_         [120]byte
	value     int64 // guarded by a lock, or by the turn
	_         [120]byte
	sum       atomic.Int64 // of what readers have read, or of the messages that were checked
	_         [120]byte
	numbers   atomic.Uint64 // of the messages that consumers got, added up
	_         [120]byte
	lost      atomic.Int64 // messages
	broadcast atomic.Bool  // each message goes to all consumers
	_         [112]byte
	turn      int64 // number of a process; guarded by a lock
	_         [120]byte
	counts    [2]struct { // how often each of two processes has come to a barrier
		atomic.Int64
		_ [120]byte
	}
}

// mapTrack maps the track in the file at path, which it makes when there is none. unmap ends it.
func mapTrack(path string) (t *track, unmap func(), err error) {
	b, unmap, err := mapFile(path, int(unsafe.Sizeof(track{})))
	if err != nil {
		return nil, nil, err
	}
	return (*track)(unsafe.Pointer(unsafe.SliceData(b))), unmap, nil
}

// mapFile maps the file at path, which gets the size, and the memory for it. unmap ends it.
func mapFile(path string, size int) (b []byte, unmap func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(size)); err != nil {
		return nil, nil, err
	}
	b, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", path, err)
	}
	return b, func() { unix.Munmap(b) }, nil
}

// startLine holds one process back until all have come. A nil startLine holds none.
type startLine struct {
	track *track
	met   int64 // number of starts of this process
}

// meetTimeout is how long a process waits for the others before it takes them for dead.
const meetTimeout = int64(time.Minute)

// meet spins until procs processes have come to it, so that all leave within a transfer of a cache
// line.
func (s *startLine) meet(procs int64) error {
	if s == nil {
		return nil
	}
	s.met++
	s.track.arrived.Add(1)
	began := now()
	for tries := 1; s.track.arrived.Load() < s.met*procs; tries++ {
		if tries%(1<<12) == 0 {
			yieldCPU() // to a process on the same CPU that has not come yet
		}
		if tries%(1<<20) != 0 {
			continue
		}
		if now()-began > meetTimeout {
			return fmt.Errorf("only %d arrivals at start %d of %d processes", s.track.arrived.Load(), s.met, procs)
		}
		runtime.Gosched() // lets the runtime stop this goroutine
	}
	return nil
}

// yieldCPU lets other threads have the CPU for a moment.
func yieldCPU() { unix.RawSyscallNoError(unix.SYS_SCHED_YIELD, 0, 0, 0) }
