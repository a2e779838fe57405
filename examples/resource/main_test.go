package main

import (
	"os"
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

func TestResource(t *testing.T) {
	tmp := t.TempDir()
	const want = "packed 30 texts; workers were recycled: true, died: true, closed: true; 0 scratch directories are left\n"
	t.Setenv("TMPDIR", tmp)
	if got := proctest.Start(t, program).Output(); got != want {
		t.Errorf("it says %q", got)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
