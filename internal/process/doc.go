// Package process starts this very program again, waits for it, and ends it.
//
// A child is the leader of a process group of its own, so that killing it takes
// its children with it, and a Ctrl-C in the terminal reaches only the parent. It gets the
// descriptors 0, 1, 2 and those of [Spec.Files], and none that this program has opened otherwise: Go opens all of
// them to be closed on exec. What this program itself was started with is passed on.
//
// A process is waited for by a pidfd in the poller of the Go runtime: that costs a goroutine and
// no thread, and a pidfd never comes to mean another process, as an id does. Where the kernel has none, a thread waits.
package process

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"
)

// ErrUnsupported is returned where children cannot be started this way.
var ErrUnsupported = errors.New("starting worker processes is not supported on this system: Linux is needed")

// A Spec says how a child is started. The zero value is a child like this process.
type Spec struct {
	Args   []string   // its arguments, the name of the program first; nil: those of this process
	Env    []string   // more environment, as key=value; the last of a key counts
	Dir    string     // working directory; "": that of this process
	Files  []*os.File // become its descriptors 3, 4, …; the caller keeps them, and may close them after Start
	Limits Limits     // which the child applies to itself, see [ApplyLimits]

	Stdin  io.Reader // nil: nothing to read
	Stdout io.Writer // nil: that of this process
	Stderr io.Writer // nil: that of this process
}

// An Exit says how a process ended.
type Exit struct {
	Code   int    // as of os.Exit; negative: the number of the signal
	Signal string // name of the signal, empty when it was none
}

// Killed is how a process ends that gets a SIGKILL.
var Killed = Exit{Code: -9, Signal: "killed"}

func (e Exit) String() string {
	if e.Signal != "" {
		return "killed by signal " + e.Signal
	}
	return "exit code " + strconv.Itoa(e.Code)
}

// Usage is what a process uses of the machine.
type Usage struct {
	User, System time.Duration // time on a processor, of all threads; in steps of 10 ms while it runs
	Resident     int64         // bytes of memory that it has at this moment, shared ones included
}
