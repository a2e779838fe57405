package child

import (
	"fmt"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsShortage(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.EAGAIN, unix.ENOMEM} {
		err := fmt.Errorf("start: %w", &fs.PathError{Op: "fork/exec", Path: self, Err: os.NewSyscallError("clone", errno)})
		if !IsShortage(err) {
			t.Errorf("%v", err)
		}
	}
	for _, err := range []error{nil, unix.ENOENT, unix.EACCES, unix.EPERM, ErrUnsupported} {
		if IsShortage(err) {
			t.Errorf("%v", err)
		}
	}
}
