//go:build !linux

package proctest

import (
	"syscall"
	"testing"
)

// Signal fails the test: only on Linux the parent of a process is known.
func Signal(t testing.TB, _ int, _ syscall.Signal) bool {
	t.Helper()
	t.Error("proctest: Signal needs Linux")
	return false
}
