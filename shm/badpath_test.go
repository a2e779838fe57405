//go:build linux

package shm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/sys/unix"
)

// What is at a path may be anything.
func TestNotASegment(t *testing.T) {
	path := newPath(t)
	seg := need(shm.Create(path, small))
	wantOK(t, seg.Close())
	good := need(os.ReadFile(path))
	changed := func(off int, b byte) func() {
		return func() {
			bad := append([]byte(nil), good...)
			bad[off] ^= b
			must(os.WriteFile(path, bad, 0o600))
		}
	}
	write := func(b []byte) func() { return func() { must(os.WriteFile(path, b, 0o600)) } }
	swapped := append([]byte(nil), good...)
	for i := range 4 {
		swapped[i], swapped[7-i] = swapped[7-i], swapped[i]
	}
	for _, c := range []struct {
		name, mention string
		make          func()
	}{
		{"empty", "0 bytes", write(nil)},
		{"short text", "not a shmkit segment (10 bytes): check the path", write([]byte("no segment"))},
		{"zeros", "not a shmkit segment", write(make([]byte, 10000))},
		{"text", "not a shmkit segment", write([]byte(strings.Repeat("text", 5000)))},
		{"truncated in the header", "too short", write(good[:4095])},
		{"truncated", "truncated", write(good[:len(good)-4096])},
		{"version", "version", changed(8, 2)},
		{"word size", "4-byte words", changed(12, 8^4)},
		{"checksum", "checksum", changed(84, 1)},
		{"number of slots", "checksum", changed(16, 1)},
		{"byte order", "byte order", write(swapped)},
		{"symbolic link", "symbolic link", func() { must(os.Symlink("/dev/null", path)) }},
		{"dangling link", "symbolic link", func() { must(os.Symlink("nowhere", path)) }},
		{"directory", "directory", func() { must(os.Mkdir(path, 0o700)) }},
		{"pipe", "pipe", func() { must(syscall.Mkfifo(path, 0o600)) }},
		{"socket", "socket", func() { must(syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(os.RemoveAll(path))
			c.make()
			before := need(os.Lstat(path))
			_, err := shm.Open(path)
			wantErr(t, err, shm.ErrFormat, path, c.mention)
			_, err = shm.OpenOrCreate(path, small)
			wantErr(t, err, shm.ErrFormat, path, c.mention)
			_, err = shm.Create(path, small)
			wantErr(t, err, fs.ErrExist, path)
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was changed: %v", err)
			}
			foreign := c.mention == "0 bytes" || strings.HasPrefix(c.mention, "not a")
			if err = shm.Remove(path); before.Mode().IsRegular() && !foreign {
				wantOK(t, err)
			} else {
				wantErr(t, err, shm.ErrFormat, path)
				need(os.Lstat(path))
			}
		})
	}
}

func TestBadDescriptors(t *testing.T) {
	_, err := shm.FromFile(need(os.Open("/dev/null")))
	wantErr(t, err, shm.ErrFormat, "/dev/null")
	closed := need(os.Open("/dev/null"))
	wantOK(t, closed.Close())
	_, err = shm.FromFile(closed)
	wantErr(t, err, fs.ErrClosed, "/dev/null")
	_, err = shm.FromFile(nil)
	wantErr(t, err, fs.ErrInvalid)
	path := newPath(t)
	wantOK(t, os.WriteFile(path, []byte("text"), 0o600))
	f := need(os.Open(path))
	defer f.Close()
	_, err = shm.FromFile(f)
	wantErr(t, err, shm.ErrFormat, path)
}

func TestMissing(t *testing.T) {
	path := newPath(t)
	_, err := shm.Open(path)
	wantErr(t, err, fs.ErrNotExist, path)
	wantErr(t, shm.Remove(path), fs.ErrNotExist, path)
	_, err = shm.Create(path+"/nowhere/s", small)
	wantErr(t, err, fs.ErrNotExist, path+"/nowhere/s")
	t.Setenv("SHMKIT_DIR", path+"/nowhere/s")
	_, err = shm.Create("s", small)
	wantErr(t, err, fs.ErrNotExist, path+"/nowhere/s", "SHMKIT_DIR")
}

// Objects that no process could find are not made; those that are there go on.
func TestUnlinkedSegment(t *testing.T) {
	for _, how := range []string{"Segment.Remove", "Remove", "by hand"} {
		seg := need(shm.Create(newPath(t), small))
		defer seg.Close()
		c := need(shm.NewCounter(seg, "c"))
		switch how {
		case "Segment.Remove":
			wantOK(t, seg.Remove())
		case "Remove":
			wantOK(t, shm.Remove(seg.Path()))
		default:
			wantOK(t, os.Remove(seg.Path()))
		}
		for _, m := range makers {
			_, err := m.new(seg, "new "+m.kind)
			wantErr(t, err, shm.ErrRemoved, seg.Path())
		}
		c.Add(1)
		if c, err := shm.NewCounter(seg, "c"); err != nil || c.Sum() != 1 {
			t.Errorf("find what is there: %v", err)
		}
		_, err := c.MarshalBinary()
		wantErr(t, err, shm.ErrRemoved, seg.Path(), `"c"`)
		wantErr(t, seg.Remove(), fs.ErrNotExist, seg.Path())
		wantOK(t, seg.RemoveObject("c"))
	}
}

// Remove takes no file that is no segment, whatever its name and length.
func TestRemoveTakesOnlySegments(t *testing.T) {
	t.Setenv("SHMKIT_DIR", proctest.Dir(t))
	dir := os.Getenv("SHMKIT_DIR")
	for name, content := range map[string]string{
		"empty": "", "short": "notes", "long": strings.Repeat("notes", 5000), "unreadable": "notes",
	} {
		path := filepath.Join(dir, name)
		wantOK(t, os.WriteFile(path, []byte(content), 0o600))
		for _, way := range []string{name, path} {
			wantErr(t, shm.Remove(way), shm.ErrFormat, path, "was not removed")
		}
		if b := need(os.ReadFile(path)); string(b) != content {
			t.Errorf("%s: %d bytes are left", name, len(b))
		}
	}
}

// The user that makes a file first decides what others join: another user's is joined only when
// that is asked for.
func TestOpenOrCreateChecksTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	path := newPath(t)
	seg := need(shm.Create(path, small))
	defer seg.Close()
	wantOK(t, os.Chown(path, 65534, 65534))
	_, err := shm.OpenOrCreate(path, small)
	wantErr(t, err, fs.ErrPermission, path, "belongs to user 65534, not to 0", "AnyOwner")
	o := small
	o.AnyOwner = true
	for _, open := range []func() (*shm.Segment, error){
		func() (*shm.Segment, error) { return shm.OpenOrCreate(path, o) },
		func() (*shm.Segment, error) { return shm.Open(path) },
	} {
		other, err := open()
		wantOK(t, err)
		wantOK(t, other.Close())
	}
}

// terminal is the number of the controlling terminal of this process, "0" for none.
func terminal() string {
	b := need(os.ReadFile("/proc/self/stat"))
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))[4]
}

// roleNoTerminal opens the path args[0] in each way, as the leader of a session without a terminal.
var roleNoTerminal = proctest.Register("no-terminal", func(args []string) {
	handle := append(append([]byte{1, 1}, make([]byte, 28)...), args[0]...)
	for _, open := range []func() error{
		func() error { return new(shm.RawArray[byte]).UnmarshalBinary(handle) },
		func() error { _, err := shm.Open(args[0]); return err },
		func() error { _, err := shm.OpenOrCreate(args[0], small); return err },
		func() error { return shm.Remove(args[0]) },
	} {
		err := open()
		proctest.Say("%t %s", errors.Is(err, shm.ErrFormat), terminal())
	}
})

// A path, also one that comes in a handle, may name a terminal: it is not even opened.
func TestNoTerminalIsOpened(t *testing.T) {
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer ptm.Close()
	wantOK(t, unix.IoctlSetPointerInt(int(ptm.Fd()), unix.TIOCSPTLCK, 0))
	path := fmt.Sprint("/dev/pts/", need(unix.IoctlGetInt(int(ptm.Fd()), unix.TIOCGPTN)))
	child := proctest.Command(t, roleNoTerminal, path)
	child.Cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.Start()
	for range 4 {
		child.Expect("true 0")
	}
	child.WaitOK()
}

// A handle that names a segment by a path which depends on the reader's directory is refused.
func TestHandleWithARelativePath(t *testing.T) {
	for _, path := range []string{"segment", "./segment", "/dev/shm/a\x00b"} {
		handle := append(append([]byte{1, 1}, make([]byte, 28)...), path...)
		wantErr(t, new(shm.RawArray[byte]).UnmarshalBinary(handle), shm.ErrFormat)
	}
}
