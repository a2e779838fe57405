package pool

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/process"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// workerEnv tells a process that it is a worker: number, workers, slots, and the parent's owner id.
const workerEnv = "SHMKIT_POOL_WORKER"

const (
	workerFD     = 3   // descriptor of the pool's segment in a worker
	exitNoPool   = 120 // a worker could not attach to its pool
	exitNoMain   = 121 // a worker came to New without having called Main
	exitDefected = 122 // a worker found its pool damaged
)

var mainCalled atomic.Bool

// Main makes this process a worker if a pool has started it as one: then it runs
// tasks and never returns. In any other process it returns at once. Call it first in main, and
// first in TestMain.
func Main() {
	mainCalled.Store(true)
	runProcess()
	value := os.Getenv(workerEnv)
	if value == "" {
		return
	}
	os.Unsetenv(workerEnv) // a worker may start pools of its own
	process.CloseOnExec(workerFD)
	number, w, err := enter(value)
	if err != nil {
		fmt.Fprintf(os.Stderr, "pool: worker: %v\n", err)
		os.Exit(exitNoPool)
	}
	ctx, cancel := context.WithCancel(context.Background())
	process.OnTerminate(cancel)
	go w.watchParent()
	err = w.run(ctx, number)
	w.seg.Close()
	if err != nil {
		fmt.Fprintf(os.Stderr, "pool: worker: %v\n", err)
		os.Exit(exitDefected)
	}
	os.Exit(0)
}

// enter attaches to the pool that the environment names.
func enter(value string) (number uint32, w *worker, err error) {
	var n [4]uint64
	fields := strings.Split(value, ",")
	if len(fields) != len(n) {
		return 0, nil, fmt.Errorf("%s=%q makes no sense", workerEnv, value)
	}
	for i, f := range fields {
		if n[i], err = strconv.ParseUint(f, 10, 32); err != nil {
			return 0, nil, fmt.Errorf("%s=%q: %w", workerEnv, value, err)
		}
	}
	f := os.NewFile(workerFD, "pool")
	defer f.Close()
	seg, err := shm.FromFile(f)
	if err != nil {
		return 0, nil, err
	}
	t, err := openTable(seg, int(n[1]), int(n[2]))
	if err != nil {
		return 0, nil, err
	}
	if n[0] >= n[1] {
		return 0, nil, fmt.Errorf("%s=%q: no such worker", workerEnv, value)
	}
	return uint32(n[0]), &worker{table: t, record: &t.records[n[0]], parent: proctab.Owner(n[3])}, nil
}

// environment is what makes a new process worker number n of the pool.
func (p *Pool) environment(n int) string {
	return fmt.Sprintf("%s=%d,%d,%d,%d", workerEnv, n, len(p.records), len(p.slots), p.s.Me())
}

// watchParent ends this process and its children when the parent is gone.
func (w *worker) watchParent() {
	table, closer := w.s.Table(), w.s.Party().Closer
	for !closer.Closed() {
		live, ok := table.Liveness(w.parent)
		if !ok {
			process.EndGroup()
		}
		limit := wait.Backstop
		if table.Silent(w.parent) {
			limit /= 10
		}
		wait.Park(context.Background(), closer, limit, live)
		table.Spread(live)
	}
}
