package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenExisting opens the file at path for reading and writing. It follows no symbolic link in the
// last element and takes nothing but regular files: it looks at what is there before it opens that.
//
// Errors: [ErrNotFile], [fs.ErrPermission], [fs.ErrNotExist].
func OpenExisting(path string) (*os.File, error) { return openRegular(path, os.O_RDWR) }

// OpenToRead is [OpenExisting] for reading.
func OpenToRead(path string) (*os.File, error) { return openRegular(path, os.O_RDONLY) }

func openRegular(path string, access int) (*os.File, error) {
	f, err := lookAndOpen(path, access)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s: is a symbolic link: name the file that it leads to: %w", path, ErrNotFile)
	case errors.Is(err, unix.EISDIR):
		return nil, fmt.Errorf("%s: is a directory: name a file in it: %w", path, ErrNotFile)
	case errors.Is(err, ErrNotFile), errors.Is(err, unix.ENXIO): // the last: a socket
		return nil, fmt.Errorf("%s: is a device, pipe or socket: name a file: %w", path, ErrNotFile)
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.ETXTBSY):
		return nil, fmt.Errorf("%s: cannot be written, and a segment must be: %w", path, fs.ErrPermission)
	case errors.Is(err, fs.ErrPermission):
		what := "read and write"
		if access == os.O_RDONLY {
			what = "read"
		}
		return nil, fmt.Errorf("%s: no permission to %s it: ask its owner for Mode and Group that include you: %w",
			path, what, fs.ErrPermission)
	}
	return nil, err
}

// openCarefully are the flags under which to open what should be a regular file: if it is something
// else after all, that does not become the terminal of this process, and does not make it wait.
const openCarefully = unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// lookAndOpen opens the file at path after it has looked at what that is. To open a device can have
// effects: a terminal becomes that of the process, a tape rewinds, a watchdog starts.
func lookAndOpen(path string, access int) (*os.File, error) {
	look, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(look)
	var seen unix.Stat_t
	if err := unix.Fstat(look, &seen); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if err := regular(&seen); err != nil {
		return nil, err
	}
	// What was looked at is opened, whatever the name leads to by now.
	fd, err := unix.Open(descriptorPath(look), access|openCarefully&^unix.O_NOFOLLOW, 0)
	if err != nil { // perhaps there is no procfs
		fd, err = unix.Open(path, access|openCarefully, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if st, err := Stat(f); err != nil || st.Inode != seen.Ino || st.Device != uint64(seen.Dev) {
		f.Close()
		return nil, fmt.Errorf("%s: was replaced while it was being opened: %w", path, errors.Join(err, fs.ErrNotExist))
	}
	return f, nil
}

// regular is an error that names the kind of what is no regular file.
func regular(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFLNK:
		return unix.ELOOP
	case unix.S_IFDIR:
		return unix.EISDIR
	}
	return ErrNotFile
}

// Stat tells what the system knows of f.
func Stat(f *os.File) (Status, error) {
	var st unix.Stat_t
	if err := control(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return Status{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return Status{
		SizeBytes: st.Size,
		RealBytes: st.Blocks * 512, // that unit does not depend on the file system
		Links:     int(st.Nlink),
		Regular:   st.Mode&unix.S_IFMT == unix.S_IFREG,
		UID:       st.Uid,
		Device:    uint64(st.Dev),
		Inode:     st.Ino,
	}, nil
}

// control calls op with the descriptor of f, which stays open until op returns,
// even when f is being closed at the same time.
func control(f *os.File, op func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return fs.ErrClosed
	}
	var opErr error
	if err := c.Control(func(fd uintptr) { opErr = op(int(fd)) }); err != nil {
		return fs.ErrClosed
	}
	return opErr
}

// SetAccess gives the file its mode and, unless gid is negative, its group,
// whatever the umask is. It asks the system for nothing that is so already: some refuse that.
func SetAccess(f *os.File, mode fs.FileMode, gid int) error {
	var st unix.Stat_t
	if err := control(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	if gid >= 0 && st.Gid != uint32(gid) {
		if err := f.Chown(-1, gid); err != nil {
			return err
		}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o7777 == uint32(mode.Perm()) {
		return nil
	}
	return f.Chmod(mode)
}

// Reopen opens the file behind f anew, so that locks on the new descriptor are
// this process's own even when f was inherited. Where there is no procfs it takes the way by the
// file's name, if that still leads to it.
func Reopen(f *os.File) (*os.File, error) { return reopen(f, os.O_RDWR) }

// ReopenToRead is [Reopen] for reading, whatever f is open for.
func ReopenToRead(f *os.File) (*os.File, error) { return reopen(f, os.O_RDONLY) }

func reopen(f *os.File, access int) (*os.File, error) {
	st, err := Stat(f)
	if err != nil {
		return nil, err
	}
	if !st.Regular {
		return nil, fmt.Errorf("%s: is a directory, device, pipe or socket: %w", f.Name(), ErrNotFile)
	}
	var mine int
	err = control(f, func(fd int) (err error) {
		mine, err = unix.Open(descriptorPath(fd), access|openCarefully&^unix.O_NOFOLLOW, 0)
		return err
	})
	if err == nil {
		return os.NewFile(uintptr(mine), f.Name()), nil
	}
	refused := &fs.PathError{Op: "reopen by /proc/self/fd", Path: f.Name(), Err: err}
	again, err := openRegular(f.Name(), access)
	if err != nil {
		return nil, refused
	}
	if there, err := Stat(again); err != nil || there.Device != st.Device || there.Inode != st.Inode {
		again.Close()
		return nil, refused
	}
	return again, nil
}

// HolesCost reports whether a read of a hole through a mapping of f takes memory from its file
// system, and raises SIGBUS where that is full, as in tmpfs.
func HolesCost(f *os.File) bool {
	var st unix.Statfs_t
	err := control(f, func(fd int) error { return unix.Fstatfs(fd, &st) })
	return err != nil || st.Type == unix.TMPFS_MAGIC || st.Type == unix.HUGETLBFS_MAGIC
}

// OpenOther opens anew the regular file that another process of this user has open
// as descriptor fd.
func OpenOther(pid, fd int) (*os.File, error) { return openOther(pid, fd, os.O_RDWR) }

// OpenOtherToRead is [OpenOther] for reading.
func OpenOtherToRead(pid, fd int) (*os.File, error) { return openOther(pid, fd, os.O_RDONLY) }

func openOther(pid, fd, access int) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFile)
	}
	return os.OpenFile(path, access|openCarefully&^unix.O_NOFOLLOW, 0)
}

// descriptorPath leads to the file that this process has open as fd.
func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
