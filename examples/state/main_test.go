package main

import (
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // in the child, which runs this binary, too
	proctest.Main(m)
}

func TestState(t *testing.T) {
	const want = "3.1415927 [0 -1 -2 -3 -4 -5 -6 -7 -8 -9]\n"
	if got := proctest.Start(t, program).Output(); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// The program stays short: what it takes to share two objects with a child. Imports, blank lines,
// comments and lines of a closing bracket alone do not count.
func TestShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(text), "\n)\n")
	if !found {
		t.Fatal("the imports do not end")
	}
	n := 0
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") && strings.Trim(line, "})") != "" {
			n++
		}
	}
	if n > 20 {
		t.Errorf("it has %d lines, want at most 20", n)
	}
}
