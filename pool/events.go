package pool

import (
	"log/slog"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/shmlog"
)

// LogToStderr shows what happens in the pools and processes of this program on standard error, from
// that level on. Each line says in which process it was seen, as the attribute process, with its
// name, and which worker or process it is about. Events of a pool with an Options.Label have that
// as the attribute pool:
//
//	ERROR  a task is quarantined; a resource cannot be opened or closed; a pool has ended because of an error
//	WARN   a worker died, with its exit code; its tasks run again; it is killed at a hard deadline
//	INFO   the kernel refuses a facility, which makes waits slower: once for each, with the pid;
//	       a worker or process starts, replaces another, ends, with the reason; a task runs again because of its error; a pool is closed
//	DEBUG  a worker takes tasks; a resource is opened or closed; an error of a task is of no registered
//	       kind, so that only its text reaches the parent, once for each type
//
// Processes that are started later do the same at the same level. Setting SHMKIT_LOG in the
// environment to DEBUG, INFO, WARN or ERROR has the effect of calling it at the start of [Main].
func LogToStderr(level slog.Level) {
	event.ToStderr(level)
}

// LogTo is [LogToStderr] for this process alone, with a handler of the caller's; nil shows nothing.
// To have the events of workers come to one place, let each call it with a [shmlog.Handler] before
// [Main]. The handler must not use the pool, which waits for it.
func LogTo(h slog.Handler) {
	_, named := h.(*shmlog.Handler)
	event.To(h, named)
}
