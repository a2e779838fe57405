package main

import (
	"strings"
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

func TestManaged(t *testing.T) {
	got := proctest.Start(t, program).Output()
	// a map has no order
	for _, want := range []string{"1:1", "2:2", "0.25:<nil>", "[9 8 7 6 5 4 3 2 1 0] <nil>\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("it says %q, without %q", got, want)
		}
	}
}

func TestLength(t *testing.T) { lengthtest.AtMostTwice(t) }
