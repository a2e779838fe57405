package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/environ"
)

// A Parent is the process that has started this one, as this one sees it.
type Parent struct {
	pid   int
	pidfd *pidfd // nil where the kernel has none
	gone  chan struct{}
}

// WatchParent watches the process that has started this one. parentPID is the id that the parent
// has told: if it is no longer the parent's, that is gone already. It is called once.
//
// Errors: [ErrUnsupported].
func WatchParent(parentPID int) (*Parent, error) {
	line := takeLifeline()
	p := &Parent{pid: parentPID, gone: make(chan struct{})}
	p.pidfd, _ = openPidfd(parentPID)
	// Only while the parent lives is its id not another's: so this is asked when the pidfd is open.
	if os.Getppid() != parentPID {
		close(p.gone)
		return p, nil
	}
	ended := sync.OnceFunc(func() { close(p.gone) })
	go func() {
		p.awaitEnd()
		ended()
	}()
	if line != nil {
		go func() {
			line.Read(make([]byte, 1)) // there is nothing to read but its end
			line.Close()
			ended()
		}()
	}
	return p, nil
}

// Gone is closed when the parent has ended, or runs another program in place of the one that has
// started this process.
func (p *Parent) Gone() <-chan struct{} { return p.gone }

// awaitEnd waits for the end of the parent. It looks now and then where the kernel has no pidfds,
// or does not poll them.
func (p *Parent) awaitEnd() {
	if p.pidfd != nil && p.pidfd.wait(otherEnded) == nil {
		return
	}
	for os.Getppid() == p.pid {
		// Without a pidfd that can be polled, the only sign of the end is a new parent id.
		time.Sleep(orphanPeriod)
	}
}

// orphanPeriod is how often a process looks for its parent where it cannot wait.
const orphanPeriod = 20 * time.Millisecond

// Interrupted reports whether the parent, which is gone, was killed by SIGINT, as by a Ctrl-C. It
// waits a moment for the process that the parent belongs to. Linux 6.15 tells; before, only a
// parent that is not waited for at once can be asked.
func (p *Parent) Interrupted() bool {
	if p.pidfd == nil {
		return false
	}
	if status, known := zombieStatus(p.pid); known {
		return status.Signaled() && status.Signal() == unix.SIGINT
	}
	status, known := p.pidfd.status()
	return known && status.Signaled() && status.Signal() == unix.SIGINT
}

// zombieStatus is the status of a process that has ended and was not waited for.
func zombieStatus(pid int) (status syscall.WaitStatus, known bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	text := string(b)
	// from the state on, which is the third
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const exitCode = 52 - 3
	if len(fields) <= exitCode || fields[0] != "Z" {
		return 0, false
	}
	code, err := strconv.Atoi(fields[exitCode])
	return syscall.WaitStatus(code), err == nil
}

// takeLifeline is the end of the parent's lifeline that this process has inherited, or nil.
func takeLifeline() *os.File {
	value, ok := environ.Take(lifelineEnv)
	if !ok {
		return nil
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil
	}
	if unix.SetNonblock(fd, true) != nil { // or the runtime would not poll it
		return nil
	}
	line, err := Inherited(fd, "lifeline")
	if err != nil {
		return nil
	}
	return line
}
