package pool

import (
	"os"

	"github.com/shmkit/shmkit/internal/child"
)

// A ProcessInfo says who a process is.
type ProcessInfo struct {
	Name   string // "main" when nobody of this package has started it
	PID    int
	Daemon bool       // it ends with its parent
	Depth  int        // how many ancestors it had at its start, see [MaxDepth]
	Files  []*os.File // those of its [ProcessOptions], of which each is its own to close
}

// Current says who this process is.
func Current() ProcessInfo {
	me := child.Current()
	return ProcessInfo{Name: me.Name, PID: os.Getpid(), Daemon: me.Daemon, Depth: me.Depth, Files: me.Files}
}

// A ParentProcess is the process that has started this one, as this one sees it.
type ParentProcess struct {
	name string
	pid  int
	gone <-chan struct{}
}

// Parent is the process that has started this one, or nil when that was nobody of this package.
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
