package worker

import (
	"time"

	"github.com/shmkit/shmkit/internal/child"
)

// sizePeriod is how often a worker looks how large it is.
const sizePeriod = 100 * time.Millisecond

// large says that the worker has become as large as it may.
func (w *Worker) large() bool {
	now := time.Now()
	if now.Sub(w.sized) < sizePeriod {
		return false
	}
	w.sized = now
	private, err := child.PrivateMemory()
	// otherwise the usage is unknown, and the worker goes on
	return err == nil && private >= w.config.RecycleMemory
}
