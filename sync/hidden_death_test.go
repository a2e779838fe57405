//go:build linux

package shmsync_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Where a process table lies in a segment, and the node of a robust list in a slot.
const (
	tableOffset = 4096
	slotBytes   = 64
	nodeOffset  = 8
)

// holds in two: A B. It attaches to B, then to A, and locks a mutex of B.
var roleHoldsInTwo = proctest.Register("holds in two", func(args []string) {
	b, err := shm.Open(args[1])
	must(err)
	m, err := shmsync.NewMutex(b, "m", shmsync.MutexOptions{})
	must(err)
	a, err := shm.Open(args[0])
	must(err)
	must(m.Lock(background))
	proctest.Say("locked")
	proctest.Hear()
	must(a.Close())
})

// A process that may write to one segment cannot hide deaths in another one for long: the kernel
// releases the lock of the dead process's slot there, whatever is written elsewhere.
func TestWriterOfOneSegmentHidesNoDeathInAnother(t *testing.T) {
	t.Parallel()
	for _, waiting := range []bool{false, true} {
		seg := newSegment(t)
		m := newMutex(t, seg, "m")
		hostile, err := shm.Create(filepath.Join(proctest.Dir(t), "hostile"), shm.Options{Size: 1 << 20, Processes: 8})
		if err != nil {
			t.Fatal(err)
		}
		child := proctest.Start(t, roleHoldsInTwo, hostile.Path(), seg.Path())
		child.Expect("locked")
		f, err := os.OpenFile(hostile.Path(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		mem, err := unix.Mmap(int(f.Fd()), 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		for slot := range 8 { // this cuts the lists of all that are attached
			binary.NativeEndian.PutUint64(mem[tableOffset+slot*slotBytes+nodeOffset:], 8)
		}
		locked := make(chan error, 1)
		lock := func() { locked <- m.Lock(background) }
		if waiting {
			proctest.MustBlock(t, lock)
		}
		child.Kill()
		if !waiting {
			go lock()
		}
		wantErr(t, "after a death that no list tells", <-locked, shmsync.ErrOwnerDied)
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
		f.Close()
		hostile.Close()
	}
}
