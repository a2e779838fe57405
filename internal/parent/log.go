package parent

import (
	"errors"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/worker"
	"github.com/shmkit/shmkit/shmlog"
)

// logBytes is how much room in the segment of the pool its log takes, at most.
func (o *Options) logBytes() int64 {
	if o.Log == nil {
		return 0
	}
	capacity := o.LogOptions.Capacity
	if capacity == 0 {
		capacity = shmlog.DefaultCapacity
	}
	return 2*int64(capacity) + 128<<10
}

// listen makes the log of the pool, if it is to have one, and passes what is in it to Options.Log.
func (p *Pool) listen(o *Options) (*shmlog.Listener, error) {
	if o.Log == nil {
		return nil, nil
	}
	if _, err := shmlog.NewHandler(p.table.Seg, worker.LogName, o.LogOptions); err != nil {
		return nil, err
	}
	return shmlog.NewListener(p.table.Seg, worker.LogName, o.Log)
}

// closeShared closes what the pool and its workers shared, when none of them is left.
//
// Errors: those of the handler of Options.Log; of closing the shared memory.
func (p *Pool) closeShared() error {
	child.CloseFiles(p.files)
	var err error
	if p.log != nil {
		err = p.log.Close()
		p.mu.Lock()
		p.logDropped = p.log.Dropped()
		p.mu.Unlock()
	}
	return errors.Join(err, p.table.Seg.Close())
}
