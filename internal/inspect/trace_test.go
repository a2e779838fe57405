//go:build linux

package inspect

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// look reads all that there is to be read of a segment.
func look(path string) (objects int, err error) {
	f, err := Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s, err := Read(f)
	if err != nil {
		return 0, err
	}
	for o, err := range s.All(everything) {
		if err != nil || o.Error != "" {
			return objects, fmt.Errorf("%q: %s %w", o.Name, o.Error, err)
		}
		objects++
	}
	return objects, nil
}

var roleLook = proctest.Register("inspect: look", func(args []string) {
	fmt.Println(must(look(args[0])))
})

// traces are what others could notice of a file: its bytes, its times, and the space that it takes.
func traces(t *testing.T, path string) string {
	t.Helper()
	var st syscall.Stat_t
	check(t, syscall.Stat(path, &st))
	f := must(os.Open(path))
	defer f.Close()
	sum := sha256.New()
	must(io.Copy(sum, f))
	return fmt.Sprintf("%x %d blocks, %d links, changed %v, modified %v", sum.Sum(nil), st.Blocks, st.Nlink, st.Ctim, st.Mtim)
}

// frozen is the path of a copy of a segment, which its process does not change.
func frozen(t *testing.T, seg *shm.Segment) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(seg.Path()), "frozen")
	check(t, os.WriteFile(path, must(os.ReadFile(seg.Path())), 0o600))
	return path
}

// full makes a segment with an object of each kind, and no room for another process.
func full(t *testing.T) *shm.Segment {
	seg := newSegment(t, shm.Options{Processes: 1})
	for _, k := range kinds {
		k.make(t, seg)
	}
	return seg
}

func TestReadsWithoutATrace(t *testing.T) {
	seg := full(t)
	if n := must(look(seg.Path())); n != len(kinds) {
		t.Errorf("%d objects of a living segment, want %d", n, len(kinds))
	}
	path := frozen(t, seg)
	before := traces(t, path)
	if n := must(look(path)); n != len(kinds) {
		t.Errorf("%d objects, want %d", n, len(kinds))
	}
	if after := traces(t, path); after != before {
		t.Errorf("the segment was %s, and is %s", before, after)
	}
	check(t, os.Chmod(path, 0o444))
	must(look(path))
}

// The reader may be another user with permission to read.
func TestReadsAFileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	path := frozen(t, full(t))
	for dir := filepath.Dir(path); dir != "/dev/shm" && dir != "/"; dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	check(t, os.Chmod(path, 0o604))
	before := traces(t, path)
	c := proctest.Command(t, roleLook, path)
	program := filepath.Join(filepath.Dir(path), "program")
	check(t, os.WriteFile(program, must(os.ReadFile(must(os.Executable()))), 0o755))
	c.Cmd.Path, c.Cmd.Dir = program, "/"
	if c.Cmd.SysProcAttr == nil {
		c.Cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.Cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	c.Start()
	c.Expect(fmt.Sprint(len(kinds)))
	c.WaitOK()
	if after := traces(t, path); after != before {
		t.Errorf("the segment was %s, and is %s", before, after)
	}
}

// harmless are the calls that a reader may make for a file, with what they must not contain.
var harmless = regexp.MustCompile(`^(pread64|fstat|newfstatat|close)\(|^openat\([^)]*(O_RDONLY|O_PATH)|^readlinkat?\(|^getdents64\(`)

// assertHarmless checks the traced system calls that are for a file.
func assertHarmless(t *testing.T, calls []string, path string) {
	t.Helper()
	reads := 0
	for _, call := range calls {
		if !strings.Contains(call, path) || strings.HasPrefix(call, "execve(") || strings.HasPrefix(call, "write(1") {
			continue
		}
		if strings.HasPrefix(call, "pread64(") {
			reads++
		}
		if !harmless.MatchString(call) || regexp.MustCompile(`O_(RDWR|WRONLY|CREAT|TRUNC)`).MatchString(call) {
			t.Errorf("the reader calls %s", call)
		}
	}
	if reads == 0 {
		t.Error("the log shows no read of the file")
	}
}

func TestSystemCallsAreHarmless(t *testing.T) {
	seg := full(t)
	assertHarmless(t, proctest.Command(t, roleLook, seg.Path()).Trace(), seg.Path())
}
