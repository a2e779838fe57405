package proctest

import (
	"golang.org/x/sys/unix"
)

// WaitStopped waits until every thread of the child stands still after a SIGSTOP. It waits as long
// as [Hang] and then fails the test.
func (c *Child) WaitStopped() {
	c.t.Helper()
	Eventually(c.t, Hang, func() bool {
		select {
		case <-c.ended:
			c.t.Fatalf("%s ended instead of stopping: %v; stderr:\n%s", c.role, c.Cmd.ProcessState, c.Stderr())
		default:
		}
		return c.stands()
	}, c.role+" does not stop")
}

// stands reports whether every thread of the child stands still after a SIGSTOP.
func (c *Child) stands() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, c.PID(), &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo == int32(unix.SIGCHLD)
}
