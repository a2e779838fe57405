package process

import (
	"os"

	"github.com/shmkit/shmkit/internal/child"
)

// An Info says which process a process is.
type Info struct {
	Name   string // "main" when the toolkit has not started it
	PID    int
	Daemon bool       // it ends with its parent
	Depth  int        // how many ancestors it had at its start, see [pool.MaxDepth]
	Files  []*os.File // those of its [Options], of which each is its own to close
}

// Current returns what this process is.
func Current() Info {
	me := child.Current()
	return Info{Name: me.Name, PID: os.Getpid(), Daemon: me.Daemon, Depth: me.Depth, Files: me.Files}
}

// A ParentProcess is the process that has started this one, as this one sees it.
type ParentProcess struct {
	name string
	pid  int
	gone <-chan struct{}
}

// Parent is the process that has started this one, or nil when the toolkit has not started it.
func Parent() *ParentProcess {
	me := child.Current()
	if me.ParentGone == nil {
		return nil
	}
	return &ParentProcess{name: me.ParentName, pid: me.ParentPID, gone: me.ParentGone}
}

// Name is the name of the parent.
func (p *ParentProcess) Name() string { return p.name }

// PID is the process id of the parent. Once that has ended it may be another's.
func (p *ParentProcess) PID() int { return p.pid }

// Sentinel is closed when the parent has ended, or has replaced its program by another one.
func (p *ParentProcess) Sentinel() <-chan struct{} { return p.gone }

// Alive says whether the parent has not ended.
func (p *ParentProcess) Alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}
