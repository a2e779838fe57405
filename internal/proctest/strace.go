package proctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Trace starts a child that has not started under strace -f -y, waits for its end, which is a
// success, and returns its system calls, each as one line. Where processes cannot be traced it
// skips the test.
func (c *Child) Trace() []string {
	c.t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		c.t.Skip("strace is not installed")
	}
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	log := filepath.Join(c.t.TempDir(), "log")
	c.Cmd.Args = append([]string{"strace", "-f", "-y", "-o", log, program}, c.Cmd.Args[1:]...)
	c.Cmd.Path = strace
	c.Start()
	if state := c.Wait(); !state.Success() {
		if text := c.Stderr(); strings.Contains(text, "ptrace") || strings.Contains(text, "not permitted") {
			c.t.Skipf("processes cannot be traced here: %s", text)
		}
		c.t.Fatalf("%v: %s", state, c.Stderr())
	}
	lines, err := os.ReadFile(log)
	if err != nil {
		c.t.Fatal(err)
	}
	return callsIn(string(lines))
}

// callsIn are the system calls in a log of strace -f, each as one line: the call of another thread
// may stand between the beginning of one and its end.
func callsIn(log string) (calls []string) {
	begun := map[string]string{}
	for line := range strings.Lines(log) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		if begin, ok := strings.CutSuffix(call, "<unfinished ...>"); ok {
			begun[thread] = begin
			continue
		}
		if strings.HasPrefix(call, "<... ") {
			_, end, _ := strings.Cut(call, "resumed>")
			call = begun[thread] + end
		}
		calls = append(calls, call)
	}
	return calls
}
