//go:build linux

package proctab

import (
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

// awaitOrdered waits until membarriers reach the owner.
func (f *file) awaitOrdered(t *testing.T, o Owner) {
	t.Helper()
	if !futex.HasMembarrier() {
		return
	}
	proctest.Eventually(t, patience, func() bool { return f.slots[o.Slot()].word.Load()&unordered == 0 },
		"membarriers reach the process")
}

// A holder that is the first process of a PID namespace of its own, as in a container.
func TestDeathInAnotherPIDNamespace(t *testing.T) {
	for _, m := range []mode{robust, byLock} {
		t.Run(m.String(), func(t *testing.T) {
			f, path := openTable(t, 3)
			w := startWaiter(t, robust, path)
			var kills latencies
			for _, way := range []string{"kill", "exit", "panic", "exec", "detach"} {
				child := m.isolated(t, path)
				o, _, tid := attached(t, child)
				if pid := child.PID(); int(tid) >= pid && tid > 100 {
					t.Errorf("thread %d of process %d is in no namespace of its own", tid, pid)
				}
				if i, ok := f.Info(o); !ok || i.PID != 1 {
					t.Errorf("the first process of a namespace says it is %v", i)
				}
				expectWaiting(w, o)
				f.stamp.Store(now())
				if way == "kill" { // its own SIGKILL cannot reach the first process of a namespace
					child.Kill()
				} else {
					child.Send(way)
				}
				kills.add(t, time.Duration(saw(t, w)-f.stamp.Load()))
				if !f.Dead(o) {
					t.Errorf("%s: lives on", way)
				}
				child.Kill()
			}
			kills.log(t, "all ways")
		})
	}
}

// isolated starts a member in a PID namespace of its own, or skips the test.
func (m mode) isolated(t *testing.T, path string) *proctest.Child {
	t.Helper()
	child := proctest.Command(t, roleMember, path)
	m.set(child)
	isolate(child)
	if err := child.TryStart(); err != nil {
		t.Skipf("no PID namespaces for this user: %v", err)
	}
	return child
}

// isolate has the child get a PID namespace of its own.
func isolate(child *proctest.Child) {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if unix.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: unix.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: unix.Getegid(), Size: 1}}
	}
	child.Cmd.SysProcAttr = attr
}
