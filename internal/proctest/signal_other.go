//go:build !linux

package proctest

import (
	"syscall"
	"testing"
)

// Signal fails the test: only Linux tells whose child a process is.
func Signal(t testing.TB, _ int, _ syscall.Signal) bool {
	t.Helper()
	t.Error("proctest: Signal needs Linux")
	return false
}
