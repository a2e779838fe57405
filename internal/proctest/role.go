package proctest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

var (
	sayMu  sync.Mutex
	hearMu sync.Mutex
	heard  = bufio.NewReader(os.Stdin)
)

// Say prints one line for the test to read with [Child.Line], at once. It is for roles, from any
// goroutine.
func Say(format string, args ...any) {
	sayMu.Lock()
	defer sayMu.Unlock()
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", args...); err != nil {
		fmt.Fprintln(os.Stderr, "proctest: say:", err)
		os.Exit(1)
	}
}

// ExitOn ends the process with status 3 when err is not nil, which it prints. It is for roles that
// cannot go on.
func ExitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// Hear returns the next line which the test sends with [Child.Send], waiting for it. When no more
// can come the parent is gone, and Hear exits the process. It is for roles, from any goroutine.
func Hear() string {
	hearMu.Lock()
	defer hearMu.Unlock()
	line, err := heard.ReadString('\n')
	if err != nil {
		fmt.Fprintln(os.Stderr, "proctest: hear:", err)
		os.Exit(1)
	}
	return strings.TrimSuffix(line, "\n")
}

// Exec returns an unstarted process of a role, for roles that have children of their own; tests use
// [Command]. Start it with [StartBound].
func Exec(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(self(), args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	if _, ok := os.LookupEnv(detectorEnv); !ok {
		cmd.Env = append(cmd.Env, detectorEnv+"=atexit_sleep_ms=0")
	}
	return cmd
}

// detectorEnv configures the race detector, which by default makes each process take a second to
// exit.
const detectorEnv = "GORACE"

// self is the path of the running test binary, also when the file was replaced or deleted since.
func self() string {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link
	}
	path, err := os.Executable()
	if err != nil {
		panic("proctest: " + err.Error())
	}
	return path
}
