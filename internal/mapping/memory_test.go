//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

var roleWrites = proctest.Register("writes", func(args []string) {
	f, err := OpenExisting(args[0])
	if err != nil {
		panic(err)
	}
	m, err := Map(f, 4096)
	if err != nil {
		panic(err)
	}
	copy(m.Bytes(), "from afar")
	proctest.Say("written")
	proctest.Hear()
})

// A33: a file that is mapped twice in one process, at different addresses, and once in another.
func TestMappingsShareAFile(t *testing.T) {
	f := newFile(t, 4096)
	a, err := Map(f, 4096)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Map(f, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if &a.Bytes()[0] == &b.Bytes()[0] {
		t.Error("one address")
	}
	a.Bytes()[4095] = 7
	if b.Bytes()[4095] != 7 {
		t.Error("a write is not seen by the other mapping")
	}
	child := proctest.Start(t, roleWrites, f.Name())
	child.Expect("written")
	if got := string(b.Bytes()[:9]); got != "from afar" {
		t.Errorf("another process has written %q", got)
	}
	child.Kill()
	f.Close() // a mapping does not need its file
	if err := a.Unmap(); err != nil || a.Bytes() != nil {
		t.Error(err)
	}
	if got := string(b.Bytes()[:9]); got != "from afar" {
		t.Errorf("after the end of the other mapping: %q", got)
	}
	if err := b.Unmap(); err != nil {
		t.Error(err)
	}
}

func TestMapErrors(t *testing.T) {
	f := newFile(t, 0)
	var wrong *fs.PathError
	if _, err := Map(f, 0); !errors.As(err, &wrong) {
		t.Errorf("nothing: %v", err)
	}
	f.Close()
	if _, err := Map(f, 4096); !errors.As(err, &wrong) {
		t.Errorf("a closed file: %v", err)
	}
}

func TestAnonymousFileKeepsItsSize(t *testing.T) {
	for _, name := range []string{"numbers", strings.Repeat("long", 100), ""} {
		f, err := Anonymous(name, 8192)
		if err != nil {
			t.Fatal(err)
		}
		st, err := Stat(f)
		if err != nil || st.SizeBytes != 8192 || !st.Regular || st.Links != 0 {
			t.Errorf("%+v, %v", st, err)
		}
		for _, size := range []int64{0, 4096, 8191, 8193, 1 << 20} {
			if err := f.Truncate(size); !errors.Is(err, unix.EPERM) {
				t.Errorf("truncate to %d: %v", size, err)
			}
		}
		if _, err := f.WriteAt([]byte{1}, 8192); !errors.Is(err, unix.EPERM) {
			t.Errorf("write behind the end: %v", err)
		}
		if err := Reserve(f, 0, 8192); err != nil {
			t.Errorf("reserve: %v", err)
		}
		if err := Reserve(f, 4096, 8192); err == nil {
			t.Error("reserved behind the end")
		}
		again, err := Reopen(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Truncate(0); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncate through another descriptor: %v", err)
		}
		if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); !errors.Is(err, unix.EPERM) {
			t.Errorf("another seal: %v", err)
		}
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("is inherited: %v", err)
		}
		again.Close()
		f.Close()
	}
}

func TestAnonymousErrors(t *testing.T) {
	if _, err := Anonymous("x", -1); err == nil {
		t.Error("a negative size")
	}
	if _, err := Anonymous("a\x00b", 1); err == nil {
		t.Error("a NUL in the name")
	}
}

func TestBootID(t *testing.T) {
	id := BootID()
	if _, err := os.Stat("/proc/sys/kernel/random/boot_id"); err == nil && id == [16]byte{} {
		t.Error("no boot id")
	}
	if id != BootID() {
		t.Error("it changes")
	}
}
