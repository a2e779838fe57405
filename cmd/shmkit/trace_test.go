//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

var roleTool = proctest.Register("tool: run", func(args []string) {
	if code := run(args, os.Stdout, os.Stderr); code > exitBad {
		os.Exit(code)
	}
})

var (
	harmless = regexp.MustCompile(`^(pread64|fstat|newfstatat|close)\(|^openat\([^)]*(O_RDONLY|O_PATH)|^readlinkat?\(|^getdents64\(`)
	writing  = regexp.MustCompile(`O_(RDWR|WRONLY|CREAT|TRUNC)`)
)

// No command that reads makes a system call for a segment that another process could notice.
func TestCommandsReadWithoutATrace(t *testing.T) {
	seg, dir := scene(t)
	for _, args := range [][]string{
		{"ls"}, {"show", "scene"}, {"show", "scene", "orders", "-peek", "3", "-hex"}, {"ps"}, {"locks"}, {"pool"}, {"top", "-n", "1"},
		{"watch", "scene", "orders", "-n", "1"}, {"doctor"}, {"check", "scene"}, {"gc", "-all-unused"},
		{"dump", "scene", filepath.Join(t.TempDir(), "copy")}, {"header", "scene"},
	} {
		t.Run(args[0], func(t *testing.T) {
			calls := proctest.Command(t, roleTool, append(args, "-dir", dir)...).Trace()
			assertHarmless(t, calls, seg.Path())
		})
	}
}

// assertHarmless checks the traced calls that are for a file.
func assertHarmless(t *testing.T, calls []string, path string) {
	t.Helper()
	reads := 0
	for _, call := range calls {
		switch {
		case !strings.Contains(call, path), strings.HasPrefix(call, "execve("), strings.HasPrefix(call, "write("):
		case !harmless.MatchString(call), writing.MatchString(call):
			t.Errorf("the tool calls %s", call)
		case strings.HasPrefix(call, "pread64("):
			reads++
		}
	}
	if reads == 0 {
		t.Error("the log shows no read of the segment")
	}
}
