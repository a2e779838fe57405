package main

import (
	"testing"

	"github.com/shmkit/shmkit/examples/internal/lengthtest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // in the children, which run this binary, too
	proctest.Main(m)
}

func TestCustom(t *testing.T) {
	const want = "7 <nil>\n56 <nil>\n"
	if got := proctest.Start(t, program).Output(); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestLength(t *testing.T) { lengthtest.AtMostTwice(t) }
