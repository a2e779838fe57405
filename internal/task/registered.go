package task

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

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A registeredError is an error that errors.Is finds in an error from another process, and the name
// by which it travels.
type registeredError struct {
	name string
	err  error
}

// ErrClosed reports that a pool takes no more tasks.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "pool: closed" }

// Is makes it an [os.ErrClosed].
func (closedError) Is(target error) bool { return target == os.ErrClosed }

var (
	registeredMu sync.Mutex // held to add one

	// registered is replaced, never changed: a reader may call methods of the user meanwhile.
	registered atomic.Pointer[[]registeredError]
)

func init() {
	registered.Store(&[]registeredError{
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
		{"queue.ErrExpelled", queue.ErrExpelled},
		{"queue.ErrWriterDied", queue.ErrWriterDied},
		{"queue.ErrTooManyReaders", queue.ErrTooManyReaders},
		{"queue.ErrRoleTaken", queue.ErrRoleTaken},
		{"queue.ErrNotHeld", queue.ErrNotHeld},
		{"queue.ErrReserved", queue.ErrReserved},

		{"pool.ErrClosed", ErrClosed},
		{"pool.ErrNoMain", child.ErrNoMain},
		{"pool.ErrTooDeep", child.ErrTooDeep},
	})
}

// RegisterError adds an error. It panics when the name is empty or taken, and when err is nil.
func RegisterError(name string, err error) {
	registeredMu.Lock()
	defer registeredMu.Unlock()
	known := *registered.Load()
	switch {
	case name == "":
		panic("pool.RegisterError: the name is empty")
	case err == nil:
		panic(fmt.Sprintf("pool.RegisterError: %q: the error is nil", name))
	case slices.ContainsFunc(known, func(s registeredError) bool { return s.name == name }):
		panic(fmt.Sprintf("pool.RegisterError: %q is registered already", name))
	}
	known = append(slices.Clip(known), registeredError{name, err})
	registered.Store(&known)
}

// registeredIn returns the names of all registered errors that err is.
func registeredIn(err error) []string {
	var names []string
	for _, s := range *registered.Load() {
		if errors.Is(err, s.err) {
			names = append(names, s.name)
		}
	}
	return names
}

// RegisteredNamed returns the registered errors of those names, without those that this process
// does not know.
func RegisteredNamed(names []string) []error {
	if len(names) == 0 {
		return nil
	}
	var found []error
	for _, s := range *registered.Load() {
		if slices.Contains(names, s.name) {
			found = append(found, s.err)
		}
	}
	return found
}

// RegisteredErrors are the registered errors by name.
func RegisteredErrors() map[string]error {
	all := map[string]error{}
	for _, r := range *registered.Load() {
		all[r.name] = r.err
	}
	return all
}
