package pool

import (
	"os"
	"sync/atomic"
)

// mainName is the name of a process that nobody of this package has started.
const mainName = "main"

// A ProcessInfo says who a process is.
type ProcessInfo struct {
	Name   string // "main" when nobody of this package has started it
	PID    int
	Daemon bool       // it ends with its parent
	Depth  int        // how many ancestors it had at its start, see [MaxDepth]
	Files  []*os.File // those of its [ProcessOptions], of which each is its own to close
}

// An identity is what this process was told of itself.
type identity struct {
	info   ProcessInfo
	parent *ParentProcess
}

var thisProcess atomic.Pointer[identity]

// become notes who this process is. Process id and depth are filled in.
func become(info ProcessInfo, parent *ParentProcess) {
	info.PID, info.Depth = os.Getpid(), depthOfProcess()
	thisProcess.Store(&identity{info, parent})
}

// Current says who this process is.
func Current() ProcessInfo {
	if id := thisProcess.Load(); id != nil {
		return id.info
	}
	return ProcessInfo{Name: mainName, PID: os.Getpid(), Depth: depthOfProcess()}
}

// A ParentProcess is the process that has started this one, as this one sees it.
type ParentProcess struct {
	name string
	pid  int
	gone <-chan struct{}
}

// Parent is the process that has started this one, or nil when that was nobody of this package.
func Parent() *ParentProcess {
	if id := thisProcess.Load(); id != nil {
		return id.parent
	}
	return nil
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
