package main

import (
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // in a worker, which runs this binary, too
	proctest.Main(m)
}

func TestWork(t *testing.T) {
	if got := proctest.Start(t, program).Output(); got != "of 3000 numbers, 2919 takes most steps: 216\n" {
		t.Errorf("it says %q", got)
	}
}
