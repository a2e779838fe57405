//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

var roleOpens = proctest.Register("opens", func(args []string) {
	for _, path := range args {
		f, err := OpenExisting(path)
		proctest.Say("%t %t %v", err == nil, errors.Is(err, fs.ErrPermission), err)
		f.Close()
	}
})

func gid() string { return strconv.Itoa(os.Getegid()) }

func TestOpenTakesRegularFilesOnly(t *testing.T) {
	dir := proctest.Dir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(in("file"), nil, 0o600))
	must(os.Symlink(in("file"), in("link")))
	must(os.Symlink(in("nothing"), in("dangling")))
	must(os.Mkdir(in("dir"), 0o700))
	must(unix.Mkfifo(in("fifo"), 0o600))
	socket, err := net.Listen("unix", in("socket"))
	must(err)
	defer socket.Close()
	reader, err := os.OpenFile(in("fifo"), os.O_RDWR, 0) // with one at the other end, too
	must(err)
	defer reader.Close()
	for _, c := range []struct {
		path string
		want error
		text string
	}{
		{in("file"), nil, ""},
		{in("link"), ErrNotFile, "symbolic link"},
		{in("dangling"), ErrNotFile, "symbolic link"},
		{in("dir"), ErrNotFile, "directory"},
		{in("fifo"), ErrNotFile, "pipe"},
		{in("socket"), ErrNotFile, "socket"},
		{"/dev/null", ErrNotFile, "device"},
		{in("nothing"), fs.ErrNotExist, in("nothing")},
		{in("file/below"), unix.ENOTDIR, in("file/below")},
		{"", fs.ErrNotExist, ""},
	} {
		f, err := OpenExisting(c.path)
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %v with %q", c.path, err, c.want, c.text)
		}
		if err == nil {
			flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
			if flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s is inherited: %v", c.path, err)
			}
			f.Close()
		}
	}
}

// No process has the other end open, so an ordinary open would wait for ever.
func TestOpenOfALonelyPipeReturns(t *testing.T) {
	path := filepath.Join(proctest.Dir(t), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenExisting(path); !errors.Is(err, ErrNotFile) {
		t.Error(err)
	}
}

// A user without permission is told what to ask for.
func TestOpenWithoutPermission(t *testing.T) {
	dir := proctest.Dir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, mode := range []fs.FileMode{0o444, 0o222, 0o000, 0o666} {
		path := filepath.Join(dir, mode.String())
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	child := proctest.Command(t, roleOpens, paths...)
	asNobody(child)
	child.Start()
	for _, path := range paths[:3] {
		if line := child.Line(); !strings.HasPrefix(line, "false true "+path) || !strings.Contains(line, "Mode and Group") {
			t.Errorf("%s: %s", path, line)
		}
	}
	child.Expect("true false <nil>")
	child.WaitOK()
}

func TestStat(t *testing.T) {
	f := newFile(t, 123456)
	st, err := Stat(f)
	if err != nil || st.SizeBytes != 123456 || st.RealBytes != 0 || st.Links != 1 || !st.Regular || int(st.UID) != os.Geteuid() {
		t.Errorf("%+v, %v", st, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	gone, err := Stat(f)
	if err != nil || gone.Links != 0 || gone.Inode != st.Inode || gone.Device != st.Device {
		t.Errorf("removed: %+v, %v", gone, err)
	}
	f.Close()
	if _, err := Stat(f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestReopen(t *testing.T) {
	f := newFile(t, 10)
	os.Remove(f.Name()) // the name is not needed
	again, err := Reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	a, _ := Stat(f)
	b, _ := Stat(again)
	if a != b || a.SizeBytes != 10 {
		t.Errorf("%+v and %+v", a, b)
	}
	dir, err := os.Open(proctest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := Reopen(dir); !errors.Is(err, ErrNotFile) {
		t.Errorf("a directory: %v", err)
	}
	f.Close()
	if _, err := Reopen(f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestOpenOther(t *testing.T) {
	f := newFile(t, 10)
	os.Remove(f.Name())
	again, err := OpenOther(os.Getpid(), int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	a, _ := Stat(f)
	if b, _ := Stat(again); a != b {
		t.Errorf("%+v and %+v", a, b)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := OpenOther(os.Getpid(), int(r.Fd())); !errors.Is(err, ErrNotFile) {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := OpenOther(os.Getpid(), 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no descriptor: %v", err)
	}
}
