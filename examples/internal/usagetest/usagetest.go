// Package usagetest tests how an example treats a command line that it does not understand.
package usagetest

import (
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// Check starts a program that takes the name of one file. A word that begins with a dash is not a
// file: -h and -help must print the usage and succeed, and any other flag, or no argument, must
// print it and fail with exit code 2. The program must not leave a file in any of these cases.
func Check(t *testing.T, program, usage string) {
	t.Helper()
	dir := t.TempDir()
	for arg, code := range map[string]int{"-h": 0, "-help": 0, "-x": 2, "": 2} {
		c := proctest.Command(t, program)
		if arg != "" {
			c.Cmd.Args = append(c.Cmd.Args, arg)
		}
		c.Cmd.Dir = dir
		c.Start()
		if got := c.Wait().ExitCode(); got != code || !strings.Contains(c.Stderr(), usage) {
			t.Errorf("%q: exit code %d, %s", arg, got, c.Stderr())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
