package worker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/shm"
)

// Config is what a worker is told when it is started, as JSON.
type Config struct {
	Number        uint32
	Slots         int
	Parent        uint32 // owner id
	ParentName    string
	ParentPID     int
	MaxTasks      int              `json:",omitempty"`
	RecycleMemory int64            `json:",omitempty"`
	IdleTimeout   time.Duration    `json:",omitempty"`
	Resources     []ResourceConfig `json:",omitempty"`
	// names of the files that follow child.OrderFD
	Files  []string   `json:",omitempty"`
	Memory int        // Options.Memory
	Label  string     `json:",omitempty"`
	Log    *LogConfig `json:",omitempty"`
}

// LossGrace is how long the closing of resources may take when the parent is gone.
const LossGrace = 500 * time.Millisecond

func init() { child.Register(child.WorkerOrder, runWorker) }

// runWorker runs the worker that the order describes. It does not return.
func runWorker(order string, limited error) {
	w, err := enter(order)
	if err = cmp.Or(limited, err); err != nil {
		fmt.Fprintf(os.Stderr, "pool: worker: %v\n", err)
		os.Exit(child.ExitNoStart)
	}
	gone := child.Current().ParentGone
	child.OnTerminate(w.dismiss)
	child.BindGroup() // without it the parent ends what tasks have started
	go w.exitWithParent(gone)
	if err = w.Work(); err != nil {
		fmt.Fprintf(os.Stderr, "pool: worker: %v\n", err)
	}
	w.Seg.Close()
	select {
	case <-gone:
		child.EndGroup() // no other process ends what tasks have started
	default:
	}
	if err != nil {
		os.Exit(child.ExitDamaged)
	}
	os.Exit(0)
}

// enter attaches to the pool that the environment names.
func enter(value string) (*Worker, error) {
	var c Config
	if err := json.Unmarshal([]byte(value), &c); err != nil {
		return nil, fmt.Errorf("%s=%q: %w", child.WorkerOrder, value, err)
	}
	if c.Number >= tasktable.MaxWorkers || c.Slots <= 0 || c.Slots > tasktable.MaxSlots {
		return nil, fmt.Errorf("%s=%q: no such worker", child.WorkerOrder, value)
	}
	parent, err := child.WatchParent(c.ParentPID)
	if err != nil {
		return nil, err
	}
	name := NameOf(c.Label, int(c.Number))
	files, err := child.InheritedFiles(c.Files)
	if err != nil {
		return nil, err
	}
	child.SetCurrent(&child.Info{
		Name: name, Daemon: true, Files: files,
		ParentName: c.ParentName, ParentPID: c.ParentPID, ParentGone: parent.Gone(),
	})
	f, err := child.Inherited(child.OrderFD, "pool")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seg, err := shm.FromFile(f)
	if err != nil {
		return nil, err
	}
	t, err := tasktable.Open(seg, c.Slots)
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return newWorker(t, c, t.Mem.Me()), nil
}

// dismiss is called at SIGTERM. When the pool has ended, the contexts of tasks end. A signal that
// does not come from the parent asks this worker alone to end: its task finishes first.
func (w *Worker) dismiss() {
	if w.Todo.Closed() {
		w.Stop(task.ErrClosed)
	}
	w.last()
}

// exitWithParent ends this process and its children when the parent is gone. Resources are closed
// first, if that does not take too long; a task that runs may be at them still.
func (w *Worker) exitWithParent(gone <-chan struct{}) {
	<-gone
	w.Stop(errOrphaned)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-w.ended:
		case <-time.After(LossGrace / 2):
		}
		// returns when they are closed, although work may be the one that closes them
		w.closeResources()
	}()
	select {
	case <-closed:
	case <-time.After(LossGrace):
	}
	child.EndGroup()
}

var errOrphaned = errors.New("pool: the parent is gone")

// NameOf is the name of a worker of a pool with that label.
func NameOf(label string, number int) string {
	name := fmt.Sprintf("Worker-%d", number+1)
	if label != "" {
		name = label + "/" + name
	}
	return name
}

// Environment is what makes a new process the worker.
func (c Config) Environment() (string, error) {
	b, err := json.Marshal(c)
	return child.WorkerOrder + "=" + string(b), err
}
