package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A sentinel is an error that errors.Is finds in an error from another process, and the name by which it travels.
type sentinel struct {
	name string
	err  error
}

var (
	sentinelsMu sync.Mutex // held to add one

	// sentinels is replaced, never changed: whoever reads it may call methods of the user meanwhile.
	sentinels atomic.Pointer[[]sentinel]
)

func init() {
	sentinels.Store(&[]sentinel{
		{"context.Canceled", context.Canceled},
		{"context.DeadlineExceeded", context.DeadlineExceeded},
		{"errors.ErrUnsupported", errors.ErrUnsupported},

		{"io.EOF", io.EOF},
		{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
		{"io.ErrClosedPipe", io.ErrClosedPipe},
		{"io.ErrShortWrite", io.ErrShortWrite},
		{"io.ErrNoProgress", io.ErrNoProgress},

		{"fs.ErrNotExist", fs.ErrNotExist},
		{"fs.ErrExist", fs.ErrExist},
		{"fs.ErrPermission", fs.ErrPermission},
		{"fs.ErrInvalid", fs.ErrInvalid},
		{"fs.ErrClosed", fs.ErrClosed},
		{"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded},
		{"os.ErrProcessDone", os.ErrProcessDone},

		{"shm.ErrClosed", shm.ErrClosed},
		{"shm.ErrFormat", shm.ErrFormat},
		{"shm.ErrMismatch", shm.ErrMismatch},
		{"shm.ErrRemoved", shm.ErrRemoved},
		{"shm.ErrCorrupt", shm.ErrCorrupt},
		{"shm.ErrTakenForDead", shm.ErrTakenForDead},
		{"shm.ErrTooManyProcesses", shm.ErrTooManyProcesses},
		{"shm.ErrTooManyObjects", shm.ErrTooManyObjects},
		{"shm.ErrCopyOnWrite", shm.ErrCopyOnWrite},
		{"shm.ErrUnsupported", shm.ErrUnsupported},

		{"shmsync.ErrOwnerDied", shmsync.ErrOwnerDied},
		{"shmsync.ErrLocked", shmsync.ErrLocked},
		{"shmsync.ErrBroken", shmsync.ErrBroken},
		{"shmsync.ErrOverRelease", shmsync.ErrOverRelease},
		{"shmsync.ErrNegative", shmsync.ErrNegative},
		{"shmsync.ErrTooManyWaiters", shmsync.ErrTooManyWaiters},
		{"shmsync.ErrDeadlock", shmsync.ErrDeadlock},

		{"queue.ErrFull", queue.ErrFull},
		{"queue.ErrEmpty", queue.ErrEmpty},
		{"queue.ErrClosed", queue.ErrClosed},
		{"queue.ErrLapped", queue.ErrLapped},
		{"queue.ErrRoleTaken", queue.ErrRoleTaken},
		{"queue.ErrNotHeld", queue.ErrNotHeld},
		{"queue.ErrReserved", queue.ErrReserved},

		{"pool.ErrClosed", ErrClosed},
		{"pool.ErrNoMain", ErrNoMain},
		{"pool.ErrTooDeep", ErrTooDeep},
	})
}

// RegisterError lets errors.Is find an error of the program, such as a package's ErrNotFound, in a [*TaskError], when
// the error that the task returned in its worker wraps it. Call it from an init function, so that
// it is called in the worker, too; what only one of them knows is left out.
//
// Those of context, io, io/fs, os and of this module's packages are registered already, and errors.ErrUnsupported.
//
// It panics when the name is empty or taken, and when err is nil.
func RegisterError(name string, err error) {
	sentinelsMu.Lock()
	defer sentinelsMu.Unlock()
	known := *sentinels.Load()
	switch {
	case name == "":
		panic("pool.RegisterError: the name is empty")
	case err == nil:
		panic(fmt.Sprintf("pool.RegisterError: %q: the error is nil", name))
	case slices.ContainsFunc(known, func(s sentinel) bool { return s.name == name }):
		panic(fmt.Sprintf("pool.RegisterError: %q is registered already", name))
	}
	known = append(slices.Clip(known), sentinel{name, err})
	sentinels.Store(&known)
}

// sentinelsIn returns the names of all registered errors that err is.
func sentinelsIn(err error) []string {
	var names []string
	for _, s := range *sentinels.Load() {
		if errors.Is(err, s.err) {
			names = append(names, s.name)
		}
	}
	return names
}

// sentinelsNamed returns the registered errors of those names, without those that this process does not know.
func sentinelsNamed(names []string) []error {
	if len(names) == 0 {
		return nil
	}
	var found []error
	for _, s := range *sentinels.Load() {
		if slices.Contains(names, s.name) {
			found = append(found, s.err)
		}
	}
	return found
}
