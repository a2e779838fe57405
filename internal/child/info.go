package child

import (
	"os"
	"sync/atomic"
)

// MainName is the name of a process that the toolkit has not started.
const MainName = "main"

// An Info is what a process knows of itself.
type Info struct {
	Name   string
	Daemon bool       // it ends with its parent
	Depth  int        // how many living ancestors it had when it was started
	Files  []*os.File // what it was given

	ParentName string // "": the toolkit has not started it
	ParentPID  int
	ParentGone <-chan struct{} // closed when the parent has ended
}

var current atomic.Pointer[Info]

// SetCurrent notes what this process was told of itself. Depth is filled in. Nil forgets it.
func SetCurrent(info *Info) {
	if info != nil {
		info.Depth = Depth()
	}
	current.Store(info)
}

// Current returns what this process knows of itself.
func Current() Info {
	if info := current.Load(); info != nil {
		return *info
	}
	return Info{Name: MainName, Depth: Depth()}
}
