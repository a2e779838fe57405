package pool

import (
	"context"

	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/parent"
)

// Packages of this module that run the tasks of a pool elsewhere come here by internal/engine.
func init() { engine.Register(newBridged, runCall) }

// engineBacklog is the Backlog of a pool whose tasks an engine runs, where its options have none.
const engineBacklog = 4096

// newBridged makes a pool whose tasks an engine runs. Of the options those count that are about the
// parent; the others are those of the pools that run the tasks.
func newBridged(ctx context.Context, o Options, start engine.Start) (*Pool, error) {
	if o.Backlog == 0 {
		o.Backlog = engineBacklog
	}
	return newPool(ctx, Options{
		Workers: 1, Attempts: o.Attempts, Task: o.Task, Label: o.Label, Backlog: o.Backlog, Memory: o.Memory, Grace: o.Grace, Carry: o.Carry,
	}, parent.Bridge{Start: start})
}
