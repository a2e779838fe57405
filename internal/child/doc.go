// Package child starts this very program again, waits for it, and ends it.
//
// A child is the leader of a session and of a process group of its own, so that killing it takes
// its children with it, a Ctrl-C in the terminal reaches only the parent, and no terminal can stop
// it. It gets the descriptors 0, 1, 2 and those of [Spec.Own] and [Spec.Files], and none that this
// program has opened otherwise: Go opens all of them to be closed on exec. What this program itself
// was started with is passed on. It has one end of a pipe besides, its parent's lifeline: that
// tells it that its parent runs another program by now, which a pidfd does not.
//
// A process is waited for by a pidfd in the poller of the Go runtime: that costs a goroutine and no
// thread, and a pidfd never comes to mean another process, as an id does. Where the kernel has
// none, a thread waits. Another part of the program may wait for all children, or ignore SIGCHLD:
// then the id may be another process's already, and is not signalled. Linux 6.15 tells the exit
// code all the same; before, it is [Unknown].
package child

import (
	"errors"
	"io"
	"math"
	"os"
	"strconv"
	"time"
)

// ErrUnsupported is returned where children cannot be started this way.
var ErrUnsupported = errors.New("starting worker processes is not supported on this system: Linux is needed")

// A Spec says how a child is started. The zero value is a child like this process.
type Spec struct {
	Args []string   // its arguments, the name of the program first; nil: those of this process
	Env  []string   // more environment, as key=value; the last of a key counts
	Dir  string     // working directory; "": that of this process
	Own  []*os.File // become its descriptors 3, 4, …: what the toolkit itself needs
	// become the descriptors after those; the caller keeps both, and may close them after Start
	Files  []*os.File
	Limits Limits // which the child applies to itself, see [ApplyLimits]

	Stdin  io.Reader // nil: nothing to read
	Stdout io.Writer // nil: that of this process
	Stderr io.Writer // nil: that of this process
}

// An Exit says how a process ended.
type Exit struct {
	Code   int    // as of os.Exit; negative: the number of the signal; CodeUnknown
	Signal string // name of the signal, empty when it was none
}

// CodeUnknown is the Code of a process that another part of this program has waited for.
const CodeUnknown = math.MinInt32

// Unknown is how a process ended that another part of this program has waited for.
var Unknown = Exit{Code: CodeUnknown}

// Killed is how a process ends that gets a SIGKILL.
var Killed = Exit{Code: -9, Signal: "killed"}

// Terminated is the exit of a process that SIGTERM has ended.
var Terminated = Exit{Code: -15, Signal: "terminated"}

func (e Exit) String() string {
	switch {
	case e.Signal != "":
		return "killed by signal " + e.Signal
	case e.Code == CodeUnknown:
		return "exit code unknown: another part of the program waits for all children, or ignores SIGCHLD"
	}
	return "exit code " + strconv.Itoa(e.Code)
}

// Usage is what a process uses of the machine, with the programs that it has started: those that
// run, and those that it has waited for. A program that has outlived its parent does not count.
type Usage struct {
	// time on a processor, of all threads; in steps of 10 ms while it runs
	User, System time.Duration
	// bytes of memory that they have at this moment, shared ones included
	Resident int64
}
