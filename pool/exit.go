package pool

import "github.com/shmkit/shmkit/internal/child"

// A WorkerStart says which worker has been started.
type WorkerStart struct {
	Name   string // of the worker; the one that replaces it has the same
	PID    int
	Before int // process id of the worker that it replaces, or 0
}

// A WorkerExit says how a worker has ended.
type WorkerExit struct {
	Name     string // of the worker; the one that replaces it has the same
	PID      int
	ExitCode int    // negative: the number of the signal that killed it; ExitUnknown
	Signal   string // name of that signal, empty when it was none
	// Reason is "died" when the worker ended without an order; "recycled" when another replaces it,
	// as after MaxTasksPerWorker or Restart; "idle" after IdleTimeout; "retired" when Resize made
	// the pool smaller; "closed" when the pool ended, or a resource of the worker did
	// not open.
	Reason string
	Stderr string // the last it wrote to its standard error, at most 4 KiB
}

// ExitUnknown stands for the exit code of a worker or a Process that another part of this program
// has waited for: one that waits for all children, as PID 1 of a container does, or that ignores
// SIGCHLD. From Linux 6.15 on the exit code is known all the same.
const ExitUnknown = child.CodeUnknown
