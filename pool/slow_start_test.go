package pool_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// slowStartEnv names a file. As long as it is there, workers initialise their packages, and do not
// get so far as main.
const slowStartEnv = "SHMKIT_TEST_SLOW_START"

func init() {
	path := os.Getenv(slowStartEnv)
	if _, isWorker := os.LookupEnv("SHMKIT_POOL_WORKER"); path == "" || !isWorker {
		return
	}
	for {
		if _, err := os.Stat(path); err != nil {
			return
		}
		proctest.Stagger(20 * time.Millisecond)
	}
}

// A SIGTERM that meets a worker on its way to its first task ends it, as it has not got so far as
// to heed that. However many do so one after the other, the pool takes their slow starts for no
// deaths of the program, and goes on.
func TestSlowStartIsNoDeath(t *testing.T) {
	gate := filepath.Join(proctest.Dir(t), "gate")
	t.Setenv(slowStartEnv, gate)
	var w witness
	p := newPool(t, pool.Options{Workers: 1, OnWorkerExit: w.note})
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 25 { // the first one is at work
		proctest.Signal(t, workerPID(t, p, 0), syscall.SIGTERM)
		proctest.Eventually(t, proctest.Hang, func() bool { return len(w.all()) > n }, "the worker ends")
	}
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	wantSquare(t, 7)(pool.Apply(t.Context(), p, square, 7))
	for _, e := range w.all()[1:] {
		if e.Signal != "terminated" || e.Reason != "died" {
			t.Errorf("%+v", e)
		}
	}
}
