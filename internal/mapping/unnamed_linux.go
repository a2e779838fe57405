package mapping

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Unnamed is a new file without a name, in the directory that it will be linked into.
type Unnamed struct {
	File *os.File
	temp string // its temporary name, where the file system has no unnamed files
}

// openFlag has the kernel make an unnamed file. Tests change it to what it refuses, as some file systems do.
var openFlag = unix.O_TMPFILE

// CreateUnnamed makes a file of size bytes, all holes, that can be linked to path. Nobody
// else can find it; errors name it by path.
func CreateUnnamed(path string, size int64) (*Unnamed, error) {
	u, err := createUnnamed(path)
	if err != nil {
		return nil, err
	}
	if err := u.File.Truncate(size); err != nil {
		u.Discard()
		return nil, err
	}
	return u, nil
}

func createUnnamed(path string) (*Unnamed, error) {
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, openFlag|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &Unnamed{File: os.NewFile(uintptr(fd), path)}, nil
	}
	if err != unix.EOPNOTSUPP && err != unix.EISDIR && err != unix.EINVAL {
		return nil, &fs.PathError{Op: "create a file in", Path: dir, Err: err}
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
	var err error
	if u.temp == "" {
		err = control(u.File, func(fd int) error {
			return unix.Linkat(unix.AT_FDCWD, descriptorPath(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		})
	} else {
		err = moveTo(u.temp, path)
	}
	if err != nil {
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	u.temp = ""
	return nil
}

// moveTo renames a file, but replaces none.
func moveTo(temp, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	// The file system cannot. A creator that is killed between the two leaves the temporary name behind.
	if err := unix.Link(temp, path); err != nil {
		return err
	}
	return unix.Unlink(temp)
}
