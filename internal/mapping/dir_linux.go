package mapping

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/shmkit/shmkit/internal/environ"
)

// DirEnv names the environment variable that replaces the default directory.
const DirEnv = "SHMKIT_DIR"

// UserDir is the directory for segments that are given by a plain name: the one that [DirEnv]
// names, or shmkit-UID in /dev/shm. UserDir makes it when it is missing. It refuses a directory
// that belongs to another user or that other users may enter, because they could replace the files
// in it.
func UserDir() (string, error) {
	dir, err := UserDirPath()
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the directory for segments (%s chooses another): %w", DirEnv, err)
	}
	if err := checkPrivate(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// UserDirPath is where UserDir is, whether it is there or not, and whichever users may enter it.
func UserDirPath() (string, error) {
	dir := environ.Get(DirEnv)
	if dir == "" {
		dir = filepath.Join("/dev/shm", "shmkit-"+strconv.Itoa(os.Geteuid()))
	}
	return filepath.Abs(dir) // other processes are in other directories
}

func checkPrivate(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s: is a symbolic link, not a directory: remove it", dir)
	case !fi.IsDir():
		return fmt.Errorf("%s: is not a directory: remove it", dir)
	case ok && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s: belongs to user %d, not to %d: have it removed, or set %s: %w",
			dir, st.Uid, os.Geteuid(), DirEnv, fs.ErrPermission)
	case fi.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s: others may enter it (mode %#o): chmod 700 it, or set %s: %w",
			dir, fi.Mode().Perm(), DirEnv, fs.ErrPermission)
	}
	return nil
}

// BootID identifies this boot of the machine; it is the same in all containers.
// It is zero where the system does not tell.
var BootID = sync.OnceValue(func() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	if err != nil {
		return id
	}
	copy(id[:], raw)
	return id
})
