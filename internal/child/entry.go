package child

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/environ"
)

// An order is an environment variable that tells a process what it was started as. Its value is for
// the package that runs such processes.
const (
	WorkerOrder  = "SHMKIT_POOL_WORKER"
	ProcessOrder = "SHMKIT_POOL_PROCESS"
)

// OrderFD is the descriptor that each child is given beside its order. Files of the user follow it.
const OrderFD = 3

// Exit codes of a child that ends before its work, or because of damage.
const (
	ExitNoStart = 120 // it could not begin what it was ordered to do
	ExitNoMain  = 121 // it came to the start of another child without having called Main
	ExitDamaged = 122 // it found its shared memory damaged
)

// ErrNoMain reports that the program does not call pool.Main.
var ErrNoMain = errors.New("pool: the program did not call pool.Main at the start of main, before anything else; a test calls it first in TestMain")

var mainCalled atomic.Bool

// An entry does what an order says. It does not return. The error says which of the limits of the
// process could not be set.
type entry func(order string, limited error)

// entries are written by initialisation alone.
var entries = map[string]entry{}

// Register has [Main] call run in a process that was started with that order. It is called from an
// init function.
func Register(order string, run func(value string, limited error)) { entries[order] = run }

// Main does what this process was ordered to do when it was started, and then does not return. In a
// process without orders it returns at once.
func Main() {
	mainCalled.Store(true)
	if !startedAsChild() {
		return
	}
	limited := ApplyLimits()
	for _, order := range []string{ProcessOrder, WorkerOrder} {
		value, ok := environ.Take(order) // what this process starts is something else
		if !ok {
			continue
		}
		run := entries[order]
		if run == nil {
			fmt.Fprintf(os.Stderr, "pool: this program does not know what %s=%q means\n", order, value)
			os.Exit(ExitNoStart)
		}
		run(value, limited)
	}
}

// startedAsChild reports whether this process was started as a child and has not come to Main yet.
func startedAsChild() bool {
	for _, key := range []string{ProcessOrder, WorkerOrder} {
		if _, ok := environ.Lookup(key); ok {
			return true
		}
		if IsOpen(OrderFD) { // otherwise no order can have been removed
			if _, ok := environ.Order(key); ok {
				return true
			}
		}
	}
	return false
}

// BeforeMain is the error of a child, with the last lines that it wrote if they are known, that has
// ended before it came to Main. That the program does not call Main is certain only when the child
// has run to its end, or says so itself.
func BeforeMain(name string, exit Exit, lines string) error {
	switch exit.Code {
	case ExitNoMain:
		return ErrNoMain
	case 0:
		return fmt.Errorf("%w (%s, which is %s, ended with exit code 0 before it came there)", ErrNoMain, name, Program())
	}
	if lines != "" {
		lines = ": " + lines
	}
	return fmt.Errorf("pool: %s ended before it came to pool.Main (%v); it is /proc/self/exe, %s, started again%s", name, exit, Program(), lines)
}
