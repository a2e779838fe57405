package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		main()
		return
	}
	proctest.Main(m)
}

func TestCache(t *testing.T) {
	var r report
	text := proctest.Start(t, program, "-for", "3s").Output()
	n, err := fmt.Sscanf(text, "%d answers, %d interrupted by %d kills, %d changes; hit ratio %f; %d stale, %d over the limit",
		&r.Answers, &r.Interrupted, &r.Killed, &r.Changes, &r.HitRatio, &r.Stale, &r.OverLimit)
	if n != 7 || err != nil || r.Killed < workers || r.Stale != 0 || r.OverLimit != 0 {
		t.Errorf("it says %q: %v", text, err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-x"}, {"-for", "1h"}} {
		c := proctest.Start(t, program, args...)
		if code := c.Wait().ExitCode(); code != 2 || !strings.Contains(c.Stderr(), "usage: cache [-for DURATION]") {
			t.Errorf("%q: exit code %d, %s", args, code, c.Stderr())
		}
	}
}
