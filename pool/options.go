package pool

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/shmlog"
)

// Options say how a pool works. The zero value is a pool of as many workers as
// there are processors.
type Options struct {
	// Workers is how many processes run tasks, at most 480; 0 means [runtime.GOMAXPROCS].
	// [Pool.Resize] changes it.
	Workers int

	// Attempts is how often a task is tried when its worker dies while it runs; 0 means 3, a
	// negative number means without end. A task that has killed so many workers is quarantined: it
	// fails with a [*WorkerDiedError].
	Attempts int

	// Task are the options of tasks, such as deadlines and retries, where the task's own options do
	// not say otherwise. See [Task.With].
	Task TaskOptions

	// Label names the pool for people: it is before the names of its workers, as in
	// "thumbnails/Worker-2", and so in errors, in what workers write to their standard error, in
	// logs and in [Stats], where it is by itself, too.
	Label string

	// MinWorkers is how many of the workers are started at once and stay; the rest are started when
	// tasks wait. With IdleTimeout they end again. 0 means all of them, none of which stays with
	// IdleTimeout.
	MinWorkers int

	// Backlog is how many tasks can be on their way at once, queued, running or waiting for their
	// result to be taken; 0 means 64 for each worker, and at least 1024. A caller that has more
	// waits.
	Backlog int

	// Memory bounds the shared memory for arguments and results in bytes, at least 64 KiB; 0 means
	// 1 GiB. It is taken as it is needed. When it is full, callers and workers wait for room. A
	// larger argument or result is an error.
	Memory int64

	// Grace is how long tasks may go on when the context of [New] ends: their
	// contexts end at once, and their workers are killed after that time.
	Grace time.Duration

	// Resources are opened by each worker, in this order, before its first task, and closed in the
	// opposite order when it ends: see [DefineResource] and [Resource.With].
	Resources []AnyResource

	// MaxTasksPerWorker is how many tasks a worker runs before it is replaced by a fresh one; 0
	// means any number. Each argument of a chunk counts; a chunk that has begun is finished.
	MaxTasksPerWorker int

	// RecycleMemory is the resident memory in bytes, shared memory not counted, at which a worker
	// is replaced by a fresh one after its task; 0 means never. It is looked at every 100 ms at
	// most.
	RecycleMemory int64

	// MemoryLimit is the private memory in bytes that a worker cannot go beyond: it dies of it. 0
	// means no limit. The Go runtime alone needs some 64 MiB.
	MemoryLimit int64

	// MaxFailedStarts is how many starts in a row may fail: when there are more, the pool ends with
	// an error. A start fails when the worker is killed before it takes tasks, or, after [New] has
	// returned, ends by itself. A start that the system refuses for want of descriptors, processes
	// or memory counts only while no other worker is there; it is tried again after a pause that
	// grows to a second. 0 means 20, a negative number any number.
	MaxFailedStarts int

	// IdleTimeout is how long a worker waits for a task before it ends. It is started again when it
	// is needed. 0 means for ever.
	IdleTimeout time.Duration

	// OnWorkerStart is called in the parent when a worker's process has been started, before
	// OnWorkerExit for the same, and never at the same time as another of these two. It may not
	// wait for the pool.
	OnWorkerStart func(WorkerStart)

	// OnWorkerExit is called in the parent, one call at a time, when a worker has ended, however
	// that was. It may not wait for the pool.
	OnWorkerExit func(WorkerExit)

	// Log gets what workers log: in a task [Logger], and in a worker that is a process also
	// [slog.Default], writes to it, through shared memory, from a goroutine of the pool. Workers
	// send the levels that it takes when the pool is made. It may write anywhere but to the same
	// pool. nil means that workers log as the program says.
	Log slog.Handler

	// LogOptions are the options of the handler in each worker, which sends records to Log. Their
	// Process is ignored: the name of the worker takes its place.
	LogOptions shmlog.Options

	// Carry says what each task of a call carries to its worker beside its argument, such as the
	// identity of a trace: it is called with the context of Apply, Map and the like, once for each
	// call, in the goroutine that sends the tasks. In the task [Carried] returns the 32 bytes. nil
	// means that tasks carry nothing.
	Carry func(ctx context.Context) [32]byte

	// Env is more environment of each worker, as key=value. It inherits that of this process.
	Env []string

	// Dir is the working directory of each worker; "" means that of this process.
	Dir string

	// Files become descriptors 4, 5, … of each worker; a task finds them in process.Current. They
	// stay the caller's, which may close them after [New]. Workers share their offsets, and inherit
	// no others.
	Files []*os.File

	// CPUs are the processors that workers may run on, from 0; none means all that this process
	// has. GOMAXPROCS follows.
	CPUs []int

	// Nice is the niceness of workers, from -20, the most favourable, to 19; 0 means that of this
	// process. Less than that of this process needs a privilege.
	Nice int

	// GOMAXPROCS is that of each worker: how many of its threads execute Go code at once. 0 means
	// as many as there are processors for it, or what GOMAXPROCS in the environment says;
	// [MachineShare] means its share of the machine, so that garbage collectors and goroutines of
	// many workers do not compete for it.
	GOMAXPROCS int

	// Stdout is where the standard output of workers goes; nil means that of this process. If it is
	// not an [*os.File], it goes by this process, one Write at a time.
	Stdout io.Writer

	// Stderr is where the lines go that workers write to their standard error, each after the
	// worker's name and process id; nil means the standard error of the parent.
	Stderr io.Writer
}

const (
	defaultAttempts     = 3
	defaultFailedStarts = 20
	defaultMemory       = 1 << 30
	minMemory           = 64 << 10
	maxMemory           = 1 << 44
)

// MachineShare is an Options.GOMAXPROCS: each worker gets its share of the processors that the pool
// may run on. It is the number of those divided by the number of workers, and at least 1.
const MachineShare = -1

// share is the GOMAXPROCS of a worker of a pool of that size, 0 where it is not limited.
func (o *Options) share(workers int) int {
	if o.GOMAXPROCS != MachineShare {
		return o.GOMAXPROCS
	}
	machine := len(o.CPUs)
	if machine == 0 {
		machine = runtime.GOMAXPROCS(0)
	}
	return max(machine/max(workers, 1), 1)
}

// surroundings are those of a worker of a pool of that size.
func (o *Options) surroundings(workers int) child.Surroundings {
	return child.Surroundings{
		Env: o.Env, Files: o.Files, CPUs: o.CPUs, Nice: o.Nice, Procs: o.share(workers), Memory: o.MemoryLimit,
	}
}

// complete are the options with what they leave out, as the rest of the pool knows them.
//
// Errors: what cannot be.
func (o Options) complete() (parent.Options, error) {
	o = o.filled()
	if err := o.check(); err != nil {
		return parent.Options{}, err
	}
	resources, err := bindAll(o.Resources)
	if err != nil {
		return parent.Options{}, err
	}
	core := o.core()
	core.Resources = resources
	if err := o.surroundings(o.Workers).Check(); err != nil {
		return parent.Options{}, fmt.Errorf("pool: %w", err)
	}
	return core, nil
}

// filled are the options with what they leave out.
func (o Options) filled() Options {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	if o.Backlog == 0 {
		o.Backlog = max(64*o.Workers, 1024)
	}
	if o.MaxFailedStarts == 0 {
		o.MaxFailedStarts = defaultFailedStarts
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	return o
}

// check says what of the options cannot be.
func (o *Options) check() error {
	switch {
	case o.Workers < 0 || o.Workers > tasktable.MaxWorkers:
		return fmt.Errorf("pool: %d workers: must be from 1 to %d", o.Workers, tasktable.MaxWorkers)
	case o.Backlog < o.Workers || o.Backlog > tasktable.MaxSlots:
		return fmt.Errorf("pool: backlog of %d tasks: must be from %d, the number of workers, to %d", o.Backlog, o.Workers, tasktable.MaxSlots)
	case o.Memory < minMemory || o.Memory > maxMemory:
		return fmt.Errorf("pool: memory of %d bytes: must be from %d to %d", o.Memory, minMemory, int64(maxMemory))
	case o.MinWorkers < 0 || o.MinWorkers > o.Workers:
		return fmt.Errorf("pool: MinWorkers %d: must be from 0 to %d, the number of workers", o.MinWorkers, o.Workers)
	case strings.ContainsFunc(o.Label, unicode.IsControl):
		return fmt.Errorf("pool: label %q: must not have control characters", o.Label)
	case o.MaxTasksPerWorker < 0 || o.RecycleMemory < 0 || o.MemoryLimit < 0:
		return fmt.Errorf("pool: MaxTasksPerWorker %d, RecycleMemory %d, MemoryLimit %d: must not be negative", o.MaxTasksPerWorker, o.RecycleMemory, o.MemoryLimit)
	case o.IdleTimeout < 0 || o.Grace < 0:
		return fmt.Errorf("pool: IdleTimeout %v, Grace %v: must not be negative", o.IdleTimeout, o.Grace)
	}
	if err := o.Task.check(); err != nil {
		return fmt.Errorf("pool: Options.Task: %w", err)
	}
	return nil
}

// core are the options for the parent's side.
func (o *Options) core() parent.Options {
	core := parent.Options{
		Workers: o.Workers, Task: parent.TaskOptions(o.Task), Label: o.Label, MinWorkers: o.MinWorkers, Attempts: o.Attempts,
		Backlog: o.Backlog, Memory: o.Memory, Grace: o.Grace, MaxTasksPerWorker: o.MaxTasksPerWorker,
		RecycleMemory: o.RecycleMemory, MaxFailedStarts: o.MaxFailedStarts, IdleTimeout: o.IdleTimeout,
		Log: o.Log, LogOptions: o.LogOptions, Env: o.Env, Dir: o.Dir, Files: o.Files,
		Surroundings: o.surroundings, Stdout: outputFor(o.Stdout), Stderr: o.Stderr, Carry: o.Carry,
		Errors: parent.Errors{Died: workerDied, Late: pastDeadline, End: endOf, Refused: refusal},
	}
	if f := o.OnWorkerStart; f != nil {
		core.OnWorkerStart = func(s parent.WorkerStart) { f(WorkerStart(s)) }
	}
	if f := o.OnWorkerExit; f != nil {
		core.OnWorkerExit = func(e parent.WorkerExit) { f(WorkerExit(e)) }
	}
	return core
}
