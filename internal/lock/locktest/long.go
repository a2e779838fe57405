package locktest

import (
	"os"
	"testing"
)

// Long selects the heavy forms of tests: SHMKIT_LONG=1 go test ./internal/lock/... takes minutes.
var Long = os.Getenv("SHMKIT_LONG") != ""

// Times is how often a test repeats what it could go on with for ever: n by default, a quarter of
// it with -short, ten times as often with SHMKIT_LONG=1.
func Times(n int) int {
	switch {
	case Long:
		return 10 * n
	case testing.Short():
		return (n + 3) / 4
	}
	return n
}
