//go:build linux

package lock

import (
	"os"
	"testing"
	"time"
)

// long selects the heavy forms of tests: SHMKIT_LONG=1 go test ./internal/lock takes minutes.
var long = os.Getenv("SHMKIT_LONG") != ""

// limit is how long a test that could go on for ever does so: usual by default, a quarter of it
// with -short, ten times as long with SHMKIT_LONG=1.
func limit(usual time.Duration) time.Duration {
	switch {
	case long:
		return 10 * usual
	case testing.Short():
		return usual / 4
	}
	return usual
}
