//go:build linux

package main

import (
	"os"
	"os/exec"
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
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	seg, dir := scene(t)
	for _, args := range [][]string{
		{"ls"}, {"show", "scene"}, {"show", "scene", "orders", "-peek", "3", "-hex"}, {"ps"}, {"locks"}, {"pool"}, {"top", "-n", "1"},
		{"watch", "scene", "orders", "-n", "1"}, {"doctor"}, {"check", "scene"}, {"gc", "-all-unused"},
		{"dump", "scene", filepath.Join(t.TempDir(), "copy")}, {"header", "scene"},
	} {
		t.Run(args[0], func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			c := proctest.Command(t, roleTool, append(args, "-dir", dir)...)
			c.Cmd.Args = append([]string{"strace", "-f", "-y", "-o", log, must(os.Executable())}, c.Cmd.Args[1:]...)
			c.Cmd.Path = strace
			c.Start()
			if state := c.Wait(); !state.Success() {
				if text := c.Stderr(); strings.Contains(text, "ptrace") || strings.Contains(text, "not permitted") {
					t.Skipf("processes cannot be traced here: %s", text)
				}
				t.Fatalf("%v: %s", state, c.Stderr())
			}
			assertHarmless(t, string(must(os.ReadFile(log))), seg.Path())
		})
	}
}

// assertHarmless checks the calls in a log of strace -f -y that are for a file.
func assertHarmless(t *testing.T, log, path string) {
	t.Helper()
	reads := 0
	for _, call := range proctest.Calls(log) {
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
