package pool_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// A witness notes the ends of all workers of a pool.
type witness struct {
	mu    sync.Mutex
	exits []pool.WorkerExit
}

func (w *witness) note(e pool.WorkerExit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exits = append(w.exits, e)
}

func (w *witness) all() []pool.WorkerExit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]pool.WorkerExit(nil), w.exits...)
}

// reasons counts the ends by reason.
func (w *witness) reasons() map[string]int {
	n := map[string]int{}
	for _, e := range w.all() {
		n[e.Reason]++
	}
	return n
}

// count is how many have ended for one reason.
func (w *witness) count(reason string) int { return w.reasons()[reason] }

// gone fails the test unless every worker that has ended is no process any more, and each of them
// has ended once.
func (w *witness) gone(t *testing.T) {
	t.Helper()
	seen := map[int]bool{}
	all := w.all()
	// of more, the kernel may have given an id to two: then they are counted, see TestChaos
	few := len(all) < 1000
	for _, e := range all {
		if seen[e.PID] && few {
			t.Errorf("worker %d has ended twice", e.PID)
		}
		seen[e.PID] = true
		if len(groupOf(t, fmt.Sprint(e.PID))) > 0 {
			t.Errorf("worker %d, or a child of its own, is still there", e.PID)
		}
	}
}
