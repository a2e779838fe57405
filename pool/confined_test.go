package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// livesConfined does with pools and processes what a confined system may refuse.
var livesConfined = proctest.Register("lives confined", func([]string) {
	if err := liveConfined(context.Background()); err != nil {
		proctest.Say("%v", err)
		return
	}
	proctest.Say("good")
})

func liveConfined(ctx context.Context) error {
	p, err := pool.New(ctx, pool.Options{Workers: 2, Attempts: 1, Stderr: io.Discard})
	if err != nil {
		return err
	}
	if n, err := pool.Apply(ctx, p, square, 3); n != 9 || err != nil {
		return fmt.Errorf("square: %d, %w", n, err)
	}
	var died *pool.WorkerDiedError
	if _, err := pool.Apply(ctx, p, throw, failingArg{"run", "kill"}); !errors.As(err, &died) || died.ExitCode != -9 {
		return fmt.Errorf("a killed worker: %w", err)
	}
	if n, err := pool.Apply(ctx, p, square, 4); n != 16 || err != nil {
		return fmt.Errorf("square: %d, %w", n, err)
	}
	one, err := process.Start(context.Background(), await, "context", process.Options{})
	if err != nil {
		return err
	}
	if err := one.Terminate(-1); err != nil {
		return err
	}
	if err := one.Join(ctx); err != nil {
		return err
	}
	if code, _ := one.ExitCode(); code != -15 {
		return fmt.Errorf("a process that was terminated ended with %d", code)
	}
	return p.Close()
}

// What a sandbox or an old kernel refuses of what a pool starts, ends and watches its workers with
// has a substitute.
func TestPoolUnderRefusals(t *testing.T) {
	t.Parallel()
	const clonePidfd, waitPidfd = 0x1000, 3
	errnos := []syscall.Errno{unix.EPERM, unix.ENOSYS, unix.EINVAL, unix.EACCES}
	if testing.Short() {
		errnos = errnos[:1]
	}
	for _, errno := range errnos {
		together := proctest.Refuse(errno, unix.SYS_SETSID, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL)
		together = append(together, proctest.RefuseFlag(errno, unix.SYS_CLONE, 0, clonePidfd))
		for name, refusals := range map[string][]proctest.Refusal{
			"setsid":              proctest.Refuse(errno, unix.SYS_SETSID),
			"setsid and setpgid":  proctest.Refuse(errno, unix.SYS_SETSID, unix.SYS_SETPGID),
			"pidfd_open":          proctest.Refuse(errno, unix.SYS_PIDFD_OPEN),
			"pidfd_send_signal":   proctest.Refuse(errno, unix.SYS_PIDFD_SEND_SIGNAL),
			"clone of a pidfd":    {proctest.RefuseFlag(errno, unix.SYS_CLONE, 0, clonePidfd)},
			"wait by a pidfd":     {proctest.RefuseValue(errno, unix.SYS_WAITID, 0, waitPidfd)},
			"signal of a group":   {proctest.RefuseValue(errno, unix.SYS_PIDFD_SEND_SIGNAL, 3, unix.PIDFD_SIGNAL_PROCESS_GROUP)},
			"signals of files":    {proctest.RefuseValue(errno, unix.SYS_FCNTL, 1, unix.F_SETSIG)},
			"owners of files":     {proctest.RefuseValue(errno, unix.SYS_FCNTL, 1, unix.F_SETOWN)},
			"all but groups":      together,
			"robust lists":        proctest.Refuse(errno, unix.SYS_SET_ROBUST_LIST),
			"ioctl, which pidfds": proctest.Refuse(errno, unix.SYS_IOCTL),
		} {
			c := proctest.Command(t, livesConfined)
			c.Confine(refusals...)
			c.Start()
			if got := c.Line(); got != "good" {
				t.Errorf("%s (%v): %s", name, errno, got)
			}
			c.Wait()
		}
	}
}

// A refusal without a substitute is an error that names what is missing.
func TestPoolUnderRefusalsNamed(t *testing.T) {
	for want, refusals := range map[string][]proctest.Refusal{
		"socketpair": proctest.Refuse(unix.EPERM, unix.SYS_SOCKETPAIR),
		"pipe2":      proctest.Refuse(unix.EPERM, unix.SYS_PIPE2),
	} {
		c := proctest.Command(t, livesConfined)
		c.Confine(refusals...)
		c.Start()
		if got := c.Line(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", want, got)
		}
		c.Wait()
	}
}

// withoutNull runs a role where there is no /dev/null.
var withoutNull = proctest.Register("without null", func([]string) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		proctest.Say("skip %v", err)
		return
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		proctest.Say("skip %v", err)
		return
	}
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", 0, ""); err != nil {
		proctest.Say("skip %v", err)
		return
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SHMKIT_TEST_ROLE="+livesConfined)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		proctest.Say("%v", err)
	}
})

// A pool needs no /dev/null.
func TestPoolWithoutNull(t *testing.T) {
	c := proctest.Start(t, withoutNull)
	line := c.Line()
	c.Wait()
	if reason, ok := strings.CutPrefix(line, "skip "); ok {
		t.Skip("no mount namespace: ", reason)
	}
	if line != "good" {
		t.Errorf("%s; stderr: %s", line, c.Stderr())
	}
}
