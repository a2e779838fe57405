// Package process starts this very program again, and ends what it has started.
//
// A child is the leader of a process group of its own, so that killing it takes
// its children with it, and a Ctrl-C in the terminal reaches only the parent.
package process

import (
	"errors"
	"strconv"
)

// ErrUnsupported is returned where children cannot be started this way.
var ErrUnsupported = errors.New("starting worker processes is not supported on this system: Linux is needed")

// An Exit says how a process ended.
type Exit struct {
	Code   int    // as of os.Exit; negative: the number of the signal
	Signal string // name of the signal, empty when it was none
}

func (e Exit) String() string {
	if e.Signal != "" {
		return "killed by signal " + e.Signal
	}
	return "exit code " + strconv.Itoa(e.Code)
}
