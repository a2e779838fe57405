package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A File is a file that may be a segment, open for reading. Nothing is mapped, and no other process
// can notice that it is open. It is not an os.File, which asks the system for more than it needs.
type File struct {
	Path string // as it was opened, or what the system calls it
	Stat Stat
	fd   int
}

// Stat is what the file system says of a file.
type Stat struct {
	Size, Real    int64 // bytes; those that take memory
	Links         int
	UID, GID      uint32
	Mode          fs.FileMode
	Device, Inode uint64
	Modified      time.Time
}

// Open opens the file at path. It follows no symbolic link in the last element, and opens nothing
// but a regular file.
//
// Errors: [fs.ErrNotExist], [fs.ErrPermission], [ErrFormat].
func Open(path string) (*File, error) { return open(path, path, unix.O_NOFOLLOW) }

// OpenDescriptor opens the file that another process has open as a descriptor. Name is what the
// file is called.
//
// Errors: those of [Open].
func OpenDescriptor(pid, fd int, name string) (*File, error) {
	return open("/proc/"+strconv.Itoa(pid)+"/fd/"+strconv.Itoa(fd), name, 0)
}

// open looks at what is there before it opens that: to open a device or a pipe can have effects.
func open(path, name string, flags int) (*File, error) {
	look, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(look)
	var st unix.Stat_t
	if err := unix.Fstat(look, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: is no regular file, and so no segment: check the path: %w", name, ErrFormat)
	}
	fd, err := openToRead("/proc/self/fd/" + strconv.Itoa(look))
	if errors.Is(err, fs.ErrNotExist) { // there is no procfs
		fd, err = openToRead(path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := &File{Path: name, fd: fd}
	if err := f.look(); err != nil {
		f.Close()
		return nil, err
	}
	if f.Stat.Inode != st.Ino || f.Stat.Device != uint64(st.Dev) {
		f.Close()
		return nil, fmt.Errorf("%s: was replaced while it was being opened: %w", name, fs.ErrNotExist)
	}
	return f, nil
}

// openToRead leaves the time of the last access alone where this user may do that.
func openToRead(path string) (fd int, err error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err = unix.Open(path, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		fd, err = unix.Open(path, flags, 0)
	}
	return fd, err
}

// look asks the file system anew what the file is.
func (f *File) look() error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Path, Err: err}
	}
	f.Stat = Stat{
		Size: st.Size, Real: st.Blocks * 512, Links: int(st.Nlink), UID: st.Uid, GID: st.Gid, Mode: fs.FileMode(st.Mode & 0o777),
		Device: uint64(st.Dev), Inode: st.Ino, Modified: time.Unix(st.Mtim.Unix()),
	}
	return nil
}

// ReadAt copies bytes of the file, as [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		more, err := unix.Pread(f.fd, p[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, &fs.PathError{Op: "read", Path: f.Path, Err: err}
		case more == 0:
			return n, io.EOF
		default:
			n += more
		}
	}
	return n, nil
}

// Close closes the file.
func (f *File) Close() error { return unix.Close(f.fd) }

// byteLocked reports whether a process has a byte of the file locked.
func (f *File) byteLocked(off int64) bool {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: off, Len: 1}
	err := unix.FcntlFlock(uintptr(f.fd), unix.F_OFD_GETLK, &l)
	return err == nil && l.Type != unix.F_UNLCK
}

func me() int { return os.Geteuid() }
