//go:build linux

package mapping

import (
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Privatize makes the memory from byte from on, rounded up to a page of this system, this process's
// own, in place: what is there can be read as before, but what is written stays here. A write that is under way on
// another thread lands before, where all see it, or after. When Privatize returns, no write of this process reaches the file any more.
//
// Preconditions: f is what m maps.
func (m *Memory) Privatize(f *os.File, from int) error {
	page := os.Getpagesize()
	from = (from + page - 1) / page * page
	if from >= len(m.m) {
		return nil
	}
	err := control(f, func(fd int) error {
		// Without MAP_NORESERVE the system would want memory for a copy of it all.
		_, err := unix.MmapPtr(fd, int64(from), unsafe.Pointer(&m.m[from]), uintptr(len(m.m)-from),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
		return err
	})
	if err != nil {
		return &fs.PathError{Op: "remap", Path: f.Name(), Err: err}
	}
	return nil
}
