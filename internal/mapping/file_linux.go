package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenExisting opens the file at path for reading and writing. It follows no
// symbolic link in the last element and takes nothing but regular files.
func OpenExisting(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s: is a symbolic link: name the file that it leads to: %w", path, ErrNotFile)
	case errors.Is(err, unix.EISDIR):
		return nil, fmt.Errorf("%s: is a directory: name a file in it: %w", path, ErrNotFile)
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.ETXTBSY):
		return nil, fmt.Errorf("%s: cannot be written, and a segment must be: %w", path, fs.ErrPermission)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: no permission to read and write it: ask its owner for Mode and Group that include you: %w",
			path, fs.ErrPermission)
	case err != nil:
		return nil, err
	}
	st, err := Stat(f)
	if err == nil && !st.Regular {
		err = fmt.Errorf("%s: is a device, pipe or socket: name a file: %w", path, ErrNotFile)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
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

// Unnamed is a new file without a name, in the directory that it will be linked into.
type Unnamed struct {
	File *os.File
	temp string // its temporary name, where the file system has no unnamed files
}

// CreateUnnamed makes a file of size bytes, all holes, in dir. Nobody else can find it.
func CreateUnnamed(dir string, size int64) (*Unnamed, error) {
	u, err := createUnnamed(dir)
	if err != nil {
		return nil, err
	}
	if err := u.File.Truncate(size); err != nil {
		u.Discard()
		return nil, err
	}
	return u, nil
}

func createUnnamed(dir string) (*Unnamed, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &Unnamed{File: os.NewFile(uintptr(fd), filepath.Join(dir, "(unnamed)"))}, nil
	}
	if err != unix.EOPNOTSUPP && err != unix.EISDIR && err != unix.EINVAL {
		return nil, &fs.PathError{Op: "create", Path: dir, Err: err}
	}
	// Some file systems have no unnamed files. A creator that is killed leaves
	// this one behind: it starts with a dot and is never opened by anybody.
	f, err := os.CreateTemp(dir, ".shmkit-*")
	if err != nil {
		return nil, err
	}
	return &Unnamed{File: f, temp: f.Name()}, nil
}

// Discard closes the file and lets it vanish.
func (u *Unnamed) Discard() {
	u.File.Close()
	if u.temp != "" {
		os.Remove(u.temp)
	}
}

// LinkTo gives the file its name, in one step. When the name is taken, the error
// is [fs.ErrExist] and the file stays unnamed.
func (u *Unnamed) LinkTo(path string) error {
	if u.temp != "" {
		if err := os.Link(u.temp, path); err != nil {
			return err
		}
		os.Remove(u.temp)
		u.temp = ""
	} else {
		err := control(u.File, func(fd int) error {
			self := "/proc/self/fd/" + strconv.Itoa(fd)
			return unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		})
		if err != nil {
			return &fs.PathError{Op: "link", Path: path, Err: err}
		}
	}
	return nil
}

// SetAccess gives the file its mode and, unless gid is negative, its group,
// whatever the umask is.
func SetAccess(f *os.File, mode fs.FileMode, gid int) error {
	if gid >= 0 {
		if err := f.Chown(-1, gid); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}
