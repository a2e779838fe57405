package mapping

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxNameBytes is how long the kernel lets the name of an anonymous file be.
const maxNameBytes = 249

// Anonymous makes a file of size bytes that has no name. It ends with its last descriptor and
// mapping. The name is for people, and cut when it is long.
// The file is a memory file with a sealed size, which no process can change. Where the system
// refuses memory files, it is a file without a name in the directory of the named segments, or in
// that of temporary files. Where the system refuses only the seals, they are missing.
func Anonymous(name string, size int64) (*os.File, error) {
	if strings.ContainsRune(name, 0) {
		return nil, &fs.PathError{Op: "create", Path: name, Err: unix.EINVAL}
	}
	name = name[:min(len(name), maxNameBytes)]
	f, refused := memoryFile(name)
	if refused != nil {
		var err error
		if f, err = nameless(name); err != nil {
			return nil, fmt.Errorf("%w; and in its place: %w", refused, err)
		}
		writeInPlace(f)
		if err := CheckInPlace(f, false); err != nil {
			f.Close()
			return nil, fmt.Errorf("%w; and in its place: %w", refused, err)
		}
	}
	if err := setSize(f, size); err != nil {
		f.Close()
		return nil, err
	}
	if refused == nil {
		seal(f)
	}
	return f, nil
}

// memoryFile makes an empty file of memory.
func memoryFile(name string) (*os.File, error) {
	var err error
	for _, flags := range []int{
		// some systems demand the last
		unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_NOEXEC_SEAL,
		unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING, // Linux before 6.3
		unix.MFD_CLOEXEC,
	} {
		var fd int
		if fd, err = unix.MemfdCreate(name, flags); err == nil {
			return os.NewFile(uintptr(fd), "memfd:"+name), nil
		}
	}
	return nil, &fs.PathError{Op: "memfd_create", Path: "memfd:" + name, Err: err}
}

// seal fixes the size of a file of memory, if the system has it.
func seal(f *os.File) {
	_ = control(f, func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		return err
	})
}

// nameless makes an empty file without a name in a directory.
func nameless(name string) (*os.File, error) {
	dir, refused := UserDir()
	if refused == nil {
		var f *os.File
		if f, refused = namelessIn(dir, name); refused == nil {
			return f, nil
		}
	}
	f, err := namelessIn(os.TempDir(), name)
	if err != nil {
		return nil, fmt.Errorf("%w; and: %w", refused, err)
	}
	return f, nil
}

func namelessIn(dir, name string) (*os.File, error) {
	if f, err := openUnnamed(dir, "unnamed:"+name); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp(dir, ".shmkit-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
