//go:build linux

package proctab

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

func TestMain(m *testing.M) {
	theKeeper() // it stays, and what it opens too
	proctest.Main(m, proctest.Leaks(goleak.IgnoreAnyFunction("github.com/shmkit/shmkit/internal/proctab.(*keeper).serve")))
}

const (
	// patience is the time that an event may take on a busy machine.
	patience = 2 * time.Minute

	// look is the time between two looks of a waiter at an owner that needs polling.
	look = 5 * time.Millisecond
)

// A file holds a table, and behind it a stamp for the tests.
type file struct {
	*Table
	f      *os.File
	memory *mapping.Memory
	stamp  *atomic.Int64 // when something was about to happen
}

const stampBytes = 64

// newFile makes a file with a table of free slots.
func newFile(t testing.TB, slots int) (path string) {
	t.Helper()
	path = filepath.Join(proctest.Dir(t), "table")
	if err := os.WriteFile(path, make([]byte, slots*SlotBytes+stampBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open maps the file. Each call makes a Table of its own.
func open(path string) *file {
	f, err := mapping.OpenExisting(path)
	if err != nil {
		panic(err)
	}
	st, err := mapping.Stat(f)
	if err != nil {
		panic(err)
	}
	memory, err := mapping.Map(f, int(st.SizeBytes))
	if err != nil {
		panic(err)
	}
	n := st.SizeBytes - stampBytes
	return &file{
		Table:  New(memory.Bytes()[:n], f, 0, memory),
		f:      f,
		memory: memory,
		stamp:  (*atomic.Int64)(unsafe.Pointer(&memory.Bytes()[n])),
	}
}

func (f *file) close() {
	f.f.Close()
	if err := f.memory.Unmap(); err != nil {
		panic(err)
	}
}

// openTable is newFile and open for a test.
func openTable(t testing.TB, slots int) (*file, string) {
	t.Helper()
	path := newFile(t, slots)
	f := open(path)
	t.Cleanup(f.close)
	return f, path
}

// mustAttach attaches, which must work.
func (f *file) mustAttach() *Member {
	m, _, err := f.Attach()
	if err != nil {
		panic(err)
	}
	return m
}

// now is the same clock in all processes.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// awaitDeath sleeps until the owner is dead. Where the death is announced, it sleeps without a
// limit: only the announcement ends it.
func awaitDeath(t *Table, o Owner) {
	c := wait.NewCloser()
	for {
		w, ok := t.Liveness(o)
		switch {
		case !ok:
			return
		case t.NeedsPolling(o):
			//clock: where a death is not announced, it is looked for
			wait.Park(context.Background(), c, look, w)
		default:
			futex.Wait(w, -1)
		}
		t.WakeAll(w)
	}
}

func ownerFrom(s string) Owner {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic(err)
	}
	return Owner(n)
}

// A mode is which facilities a process goes without.
type mode string

const (
	robust  mode = ""
	byLock  mode = "robust"
	nothing mode = "robust,waitv,membarrier"
	noFence mode = "membarrier"
)

var modes = []mode{robust, byLock, nothing, noFence}

func (m mode) String() string {
	if m == robust {
		return "all"
	}
	return "no " + string(m)
}

// start starts a role in this mode.
func (m mode) start(t testing.TB, role string, args ...string) *proctest.Child {
	t.Helper()
	child := proctest.Command(t, role, args...)
	m.set(child)
	child.Start()
	return child
}

func (m mode) set(child *proctest.Child) {
	child.Cmd.Env = append(child.Cmd.Env, futex.FallbackEnv+"="+string(m))
}
