package pool

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
)

// mainName is the name of a process that nobody of this package has started.
const mainName = "main"

// A ProcessInfo says who a process is.
type ProcessInfo struct {
	Name   string // "main" when nobody of this package has started it
	PID    int
	Daemon bool       // it ends with its parent
	Depth  int        // how many processes above it were started by this package
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

// Sentinel is closed when the parent has ended.
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

// MaxDepth is how deep processes can be nested: one at this depth cannot start others.
const MaxDepth = 8

// ErrTooDeep says that this process is at [MaxDepth] and cannot start others.
var ErrTooDeep = errors.New("pool: processes are nested too deep")

// depthEnv tells a process its depth. It stays in the environment, so that no program in between breaks the count.
const depthEnv = "SHMKIT_POOL_DEPTH"

func depthOfProcess() int {
	value := os.Getenv(depthEnv)
	if value == "" {
		return 0
	}
	depth, err := strconv.Atoi(value)
	if err != nil || depth < 0 {
		return MaxDepth // whatever has written that must not go on
	}
	return depth
}

// nextDepth is what tells a new process its depth.
func nextDepth() (environment string, err error) {
	depth := depthOfProcess()
	if depth >= MaxDepth {
		return "", fmt.Errorf("%w: this one is %d deep, and at most %d are allowed", ErrTooDeep, depth, MaxDepth)
	}
	return fmt.Sprintf("%s=%d", depthEnv, depth+1), nil
}
