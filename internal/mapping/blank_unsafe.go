//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// blankStep bounds how much address space Blank needs beside the memory itself, in bytes.
const blankStep = 64 << 20

// Blank replaces the memory [from, to), both rounded up to a page of this system, by memory of
// this process alone, in place. It reads as zeros, and costs what is touched of it. Fill, if it is
// not nil, is called with pieces of the new memory before they take their places, and with where
// those are; what it writes there is seen instead of zeros. A write that is under way on another
// thread lands before, where all see it, or after, or is lost. When Blank returns without an error,
// no write of this process reaches that part of the file any more.
//
// Errors: those of the system, when the process has used up its mappings or its address space. A
// part may be replaced then; Blank may be called again.
func (m *Memory) Blank(from, to int, fill func(fresh []byte, at int)) error {
	from, to = wholePages(from), min(wholePages(to), wholePages(len(m.m)))
	for step := 0; from < to; from += step {
		step = min(blankStep, to-from)
		if err := m.blank(from, step, fill); err != nil {
			return &fs.PathError{Op: "replace the mapping of", Path: m.name, Err: err}
		}
	}
	return nil
}

func wholePages(n int) int {
	page := os.Getpagesize()
	return (n + page - 1) / page * page
}

// blank maps n fresh bytes and moves that mapping to where the memory from byte from is. The kernel
// replaces the one by the other in one step: a thread that touches the memory meanwhile waits.
func (m *Memory) blank(from, n int, fill func(fresh []byte, at int)) error {
	fresh, err := freshMemory(n)
	if err != nil {
		return err
	}
	if fill != nil {
		fill(fresh, from)
	}
	source, target := unsafe.Pointer(&fresh[0]), unsafe.Pointer(&m.m[from])
	const move = unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED
	_, err = unix.MremapPtr(source, uintptr(n), target, uintptr(n), move|unix.MREMAP_DONTUNMAP)
	if err == nil || !errors.Is(err, unix.EINVAL) {
		return errors.Join(err, fresh.Unmap()) // what was moved has left its old place mapped
	}
	// Linux before 5.13 cannot leave it there. The old place is free then, and not to be unmapped.
	if _, err = unix.MremapPtr(source, uintptr(n), target, uintptr(n), move); err != nil {
		return errors.Join(err, fresh.Unmap())
	}
	return nil
}

// fewBytes may count as committed memory of the machine although they are never touched.
const fewBytes = 1 << 20

// freshMemory maps n zero bytes. They are shared memory, so that they do not count as data of the
// process, and many are of a file where that is possible, so that only what is touched counts at
// all.
func freshMemory(n int) (mmap.MMap, error) {
	if n <= fewBytes {
		return mmap.MapRegion(nil, n, mmap.RDWR, mmap.ANON, 0)
	}
	if f := sinkFile(n); f != nil {
		defer f.Close()
		if fresh, err := mmap.MapRegion(f, n, mmap.RDWR, 0, 0); err == nil {
			return fresh, nil
		}
	}
	return mmap.MapRegion(nil, n, mmap.RDWR, mmap.ANON, 0)
}

// Scratch is n zero bytes of this process alone, which cost what is touched of them.
func Scratch(n int) (*Memory, error) {
	m, err := freshMemory(n)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: "memory", Err: err}
	}
	return &Memory{m: m, name: "memory"}, nil
}

// sinkFile is a new file of n bytes in memory, or nil when this system or a limit forbids it.
func sinkFile(n int) *os.File {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &limit) != nil || limit.Cur < uint64(n) {
		return nil // to exceed it would be a signal
	}
	fd, err := unix.MemfdCreate("shmkit-closed", unix.MFD_CLOEXEC)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "memfd:shmkit-closed")
	if f.Truncate(int64(n)) != nil {
		f.Close()
		return nil
	}
	return f
}

// Shrink ends the mapping of all but the first n bytes, rounded up to a page of this system. The
// address space behind them is free for other mappings: nothing may touch it through m any more.
func (m *Memory) Shrink(n int) error {
	if n = wholePages(n); n >= len(m.m) {
		return nil
	}
	shrunk, err := unix.Mremap(m.m, n, 0)
	if err != nil {
		return &fs.PathError{Op: "shrink the mapping of", Path: m.name, Err: err}
	}
	m.m = shrunk
	return nil
}
