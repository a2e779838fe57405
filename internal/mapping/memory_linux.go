package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Memory is a mapped file. It stays where it is until Unmap.
type Memory struct {
	m mmap.MMap
}

// Map maps the first size bytes of f for reading and writing, shared with
// everybody else who maps the file.
func Map(f *os.File, size int) (*Memory, error) {
	m, err := mmap.MapRegion(f, size, mmap.RDWR, 0, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return &Memory{m: m}, nil
}

// Bytes is the mapped memory. It must not be touched after Unmap.
func (m *Memory) Bytes() []byte { return m.m }

// Unmap ends the mapping.
func (m *Memory) Unmap() error { return m.m.Unmap() }

// Anonymous makes a file of size bytes that has no name and whose size nobody
// can change. It ends with its last descriptor and mapping. The name is for people.
func Anonymous(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: "memfd:" + name, Err: err}
	}
	f := os.NewFile(uintptr(fd), "memfd:"+name)
	err = f.Truncate(size)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "seal", Path: "memfd:" + name, Err: err}
	}
	return f, nil
}

// Reopen opens the file behind f anew, so that locks on the new descriptor are
// this process's own even when f was inherited.
func Reopen(f *os.File) (*os.File, error) {
	st, err := Stat(f)
	if err != nil {
		return nil, err
	}
	if !st.Regular {
		return nil, fmt.Errorf("%s: is a directory, device, pipe or socket: %w", f.Name(), ErrNotFile)
	}
	var mine int
	err = control(f, func(fd int) (err error) {
		mine, err = unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "reopen", Path: f.Name(), Err: err}
	}
	return os.NewFile(uintptr(mine), f.Name()), nil
}

// OpenOther opens anew the regular file that another process of this user has open
// as descriptor fd.
func OpenOther(pid, fd int) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFile)
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
}

// Reserve makes the bytes [off, off+n) of f, which nobody uses yet, real, so that touching them cannot
// fail later.
//
// Errors: a [*NoSpaceError] when the file system is full.
func Reserve(f *os.File, off, n int64) error {
	err := allocate(f, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fillHoles(f, off, n)
	}
	return reserveError(f, n, err)
}

// Refill is [Reserve] for bytes that others may be using: what is there stays. It
// does nothing where the file system has no way to do that.
func Refill(f *os.File, off, n int64) error {
	err := allocate(f, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return reserveError(f, n, err)
}

func reserveError(f *os.File, n int64, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EFBIG):
		return &NoSpaceError{Path: f.Name(), Need: n, Free: free(f)}
	}
	return &fs.PathError{Op: "reserve space in", Path: f.Name(), Err: err}
}

// allocate makes bytes real. A signal makes tmpfs undo the whole call, so that a
// process which gets one every few milliseconds, as under a profiler, would never finish a large one: an interrupted
// call is repeated in pieces.
func allocate(f *os.File, off, n int64) error {
	const least = 1 << 20
	for step := n; n > 0; {
		step = min(step, n)
		err := control(f, func(fd int) error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, step) })
		switch {
		case err == nil:
			off, n = off+step, n-step
		case errors.Is(err, unix.EINTR):
			step = max(step/2, min(least, step))
		default:
			return err
		}
	}
	return nil
}

// fillHoles reserves space where the file system cannot: it writes back what it
// reads, a byte per block. Callers reserve only what nobody uses yet.
func fillHoles(f *os.File, off, n int64) error {
	var b [1]byte
	const block = 4096
	for at := off; at < off+n; at = at - at%block + block {
		if _, err := f.ReadAt(b[:], at); err != nil {
			return err
		}
		if _, err := f.WriteAt(b[:], at); err != nil {
			if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
				return &NoSpaceError{Path: f.Name(), Need: n, Free: free(f)}
			}
			return err
		}
	}
	return nil
}

func free(f *os.File) int64 {
	var st unix.Statfs_t
	if err := control(f, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
