//go:build linux

package lock

import (
	"os"
	"testing"
	"time"
)

// long selects the heavy forms of tests: SHMKIT_LONG=1 go test ./internal/lock takes minutes.
var long = os.Getenv("SHMKIT_LONG") != ""

// hangs is how long a test waits for an event before it says that the event does not come.
const hangs = 2 * time.Minute

// times is how often a test does what it could go on with for ever: n by default, a quarter of it with -short, ten
// times as often with SHMKIT_LONG=1.
func times(n int) int {
	switch {
	case long:
		return 10 * n
	case testing.Short():
		return (n + 3) / 4
	}
	return n
}
