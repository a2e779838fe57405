//go:build linux

package pool_test

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

var addOne = pool.Define("add one, confined", func(_ context.Context, c *shm.Int64) (int64, error) {
	return c.Add(1), nil
})

var killsOnce = pool.Define("kills its first worker, confined", func(_ context.Context, mark *shm.Int64) (bool, error) {
	if mark.Add(1) == 1 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return true, nil
})

// confined pool: it passes handles of an anonymous segment, loses a worker, and closes.
var roleConfinedPool = proctest.Register("confined pool", func([]string) {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{})
	mustOf(err)
	n, err := shm.NewInt64(seg, "n", 0)
	mustOf(err)
	p, err := pool.New(ctx, pool.Options{Workers: 2})
	mustOf(err)
	for range 10 {
		_, err := pool.Apply(ctx, p, addOne, n)
		mustOf(err)
	}
	mark, err := shm.NewInt64(seg, "mark", 0)
	mustOf(err)
	_, err = pool.Apply(ctx, p, killsOnce, mark)
	mustOf(err)
	mustOf(p.Close())
	proctest.Say("counted %d", n.Load())
})

func mustOf(err error) {
	if err != nil {
		proctest.Say("%v", err)
		os.Exit(1)
	}
}

// What old and confined systems refuse, and pools do without.
var doneWithout = map[string][]uintptr{
	"futex_waitv":       {unix.SYS_FUTEX_WAITV},
	"membarrier":        {unix.SYS_MEMBARRIER},
	"set_robust_list":   {unix.SYS_SET_ROBUST_LIST},
	"pidfd_open":        {unix.SYS_PIDFD_OPEN},
	"pidfd_send_signal": {unix.SYS_PIDFD_SEND_SIGNAL},
	"clone3":            {unix.SYS_CLONE3},
	"rseq":              {unix.SYS_RSEQ},
	"memfd_create":      {unix.SYS_MEMFD_CREATE},
	"linkat":            {unix.SYS_LINKAT},
	"RHEL 8":            {unix.SYS_FUTEX_WAITV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_CLONE3, unix.SYS_RSEQ},
	"RHEL 7": {unix.SYS_FUTEX_WAITV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_CLONE3, unix.SYS_RSEQ,
		unix.SYS_MEMBARRIER, unix.SYS_STATX, unix.SYS_COPY_FILE_RANGE, unix.SYS_PREADV2},
	"WSL 1": {unix.SYS_FUTEX_WAITV, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_CLONE3, unix.SYS_RSEQ,
		unix.SYS_MEMBARRIER, unix.SYS_MEMFD_CREATE, unix.SYS_SET_ROBUST_LIST},
}

func TestConfinedPoolWorks(t *testing.T) {
	t.Parallel()
	for name, calls := range doneWithout {
		t.Run(name, func(t *testing.T) {
			for _, errno := range []syscall.Errno{unix.ENOSYS, unix.EPERM} {
				var refusals []proctest.Refusal
				for _, call := range calls {
					// libc and Go know no other for them
					if call == unix.SYS_CLONE3 || call == unix.SYS_STATX {
						refusals = append(refusals, proctest.Refuse(unix.ENOSYS, call)...)
						continue
					}
					refusals = append(refusals, proctest.Refuse(errno, call)...)
				}
				poolConfined(t, refusals)
			}
		})
	}
}

func TestConfinedPoolWorksWithoutFileLocks(t *testing.T) {
	for _, errno := range []syscall.Errno{unix.EINVAL, unix.EPERM, unix.EACCES} {
		var refusals []proctest.Refusal
		for _, command := range []uint32{unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_OFD_GETLK} {
			refusals = append(refusals, proctest.RefuseValue(errno, unix.SYS_FCNTL, 1, command))
		}
		poolConfined(t, refusals)
	}
}

func poolConfined(t *testing.T, refusals []proctest.Refusal) {
	t.Helper()
	child := proctest.Command(t, roleConfinedPool)
	child.Cmd.Env = append(child.Cmd.Env, "SHMKIT_DIR="+proctest.Dir(t))
	child.Confine(refusals...)
	child.Start()
	if out := child.Output(); strings.TrimSpace(out) != "counted 10" {
		t.Errorf("%s; stderr:\n%s", out, child.Stderr())
	}
}
