package mapping

import (
	"errors"
	"fmt"
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

// openFlag has the kernel make an unnamed file. Tests change it to what it refuses, as some file
// systems do.
var openFlag = unix.O_TMPFILE

// CreateUnnamed makes a file of size bytes, all holes, that can be linked to path. No
// other process can find it; errors name it by path.
func CreateUnnamed(path string, size int64) (*Unnamed, error) {
	u, err := createUnnamed(path)
	if err != nil {
		return nil, err
	}
	return u.sized(size)
}

func createUnnamed(path string) (*Unnamed, error) {
	f, err := openUnnamed(filepath.Dir(path), path)
	// whatever the reason: what is wrong with the directory shows in the other way, too
	if err != nil {
		return temporary(path)
	}
	return &Unnamed{File: f}, nil
}

// openUnnamed makes a file in dir that has no name there. It is called name in errors.
func openUnnamed(dir, name string) (*os.File, error) {
	fd, err := unix.Open(dir, openFlag|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "create a file in", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// CreateTemporary is [CreateUnnamed] for where an unnamed file can be made, but not be linked: the
// file has a temporary name until LinkTo. A creator that is killed leaves it behind: the name
// starts with a dot, and no process opens it.
func CreateTemporary(path string, size int64) (*Unnamed, error) {
	u, err := temporary(path)
	if err != nil {
		return nil, err
	}
	return u.sized(size)
}

func temporary(path string) (*Unnamed, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".shmkit-*")
	if err != nil {
		return nil, err
	}
	return &Unnamed{File: f, temp: f.Name()}, nil
}

// sized gives a new file its size.
func (u *Unnamed) sized(size int64) (*Unnamed, error) {
	writeInPlace(u.File)
	err := CheckInPlace(u.File, true)
	if err == nil {
		err = setSize(u.File, size)
	}
	if err != nil {
		u.Discard()
		return nil, err
	}
	return u, nil
}

// setSize makes a new, empty file size bytes long.
func setSize(f *os.File, size int64) error {
	err := f.Truncate(size)
	if err == nil || size <= 0 {
		return err
	}
	_, err = f.WriteAt([]byte{0}, size-1) // the same where ftruncate is refused
	return err
}

// Discard closes the file and lets it vanish.
func (u *Unnamed) Discard() {
	u.File.Close()
	if u.temp != "" {
		os.Remove(u.temp)
	}
}

// LinkTo gives the file its name, in one step.
//
// Errors: [fs.ErrExist] when the name is taken, [ErrNoLink] when this system does not let a file
// without a name be linked: then [CreateTemporary] is the other way. The file stays unnamed.
func (u *Unnamed) LinkTo(path string) error {
	var err error
	if u.temp == "" {
		err = link(u.File, path)
	} else {
		err = moveTo(u.temp, path)
	}
	if err != nil {
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	u.temp = ""
	return nil
}

// link gives a file without a name its first one, by procfs, or without that.
func link(f *os.File, path string) error {
	var byProcfs, byDescriptor error
	err := control(f, func(fd int) error {
		byProcfs = unix.Linkat(unix.AT_FDCWD, descriptorPath(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if byProcfs == nil || byProcfs == unix.EEXIST {
			return byProcfs
		}
		byDescriptor = unix.Linkat(fd, "", unix.AT_FDCWD, path, unix.AT_EMPTY_PATH)
		return byDescriptor
	})
	if err == nil || errors.Is(err, unix.EEXIST) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNoLink, byProcfs)
}

// moveTo renames a file, but replaces none.
func moveTo(temp, path string) error {
	moved := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
	if moved == nil || moved == unix.EEXIST {
		return moved
	}
	// A creator that is killed between the two steps leaves the temporary name behind.
	linked := unix.Link(temp, path)
	if linked == nil {
		unix.Unlink(temp) // if not, there is one name more than needed
		return nil
	}
	if linked == unix.EEXIST || linked == moved {
		return linked
	}
	return fmt.Errorf("a file cannot get a name here without the risk of replacing another: "+
		"renameat2 with RENAME_NOREPLACE: %w; a hard link: %w: allow one of them, or choose another directory", moved, linked)
}
