package pool_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// leaveProgram starts a program that has the chronicle, tells the id of its own process, and waits
// for ever.
var leaveProgram = pool.Define("leave program", func(_ context.Context, chronicle string) (int64, error) {
	out, err := os.OpenFile(chronicle, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{out}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	fmt.Fprintln(out, os.Getpid())
	out.Close()
	select {}
})

// leavers has a worker or a process run leaveProgram. Its descriptor 3 is the chronicle.
var leavers = proctest.Register("leavers", func(args []string) {
	chronicle := fmt.Sprintf("/proc/%d/fd/3", os.Getpid())
	if args[0] == "worker" {
		p, err := pool.New(context.Background(), pool.Options{Workers: 1})
		if err != nil {
			panic(err)
		}
		go pool.Apply(context.Background(), p, leaveProgram, chronicle)
	} else {
		_, err := process.Start(context.Background(), leaveProgram, chronicle, process.Options{Daemon: args[0] == "daemon"})
		if err != nil {
			panic(err)
		}
	}
	proctest.Hear()
})

// A worker or process is killed while its parent can do nothing, and then the parent is killed,
// too: what the task has started is gone all the same.
func TestDeathTogetherWithParent(t *testing.T) {
	for _, role := range []string{"worker", "daemon", "process"} {
		c, w := newChronicle(t)
		parent := proctest.Command(t, leavers, role)
		parent.Cmd.ExtraFiles = []*os.File{w}
		parent.Start()
		c.r.SetReadDeadline(time.Now().Add(proctest.Hang))
		line, err := c.lines.ReadString('\n')
		pid, _ := strconv.Atoi(line[:max(0, len(line)-1)])
		if err != nil || pid == 0 {
			t.Fatalf("%s: %q, %v", role, line, err)
		}
		parent.Signal(syscall.SIGSTOP)
		parent.WaitStopped()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		parent.Kill()
		w.Close()
		if lines := c.expectEnd(); len(lines) > 0 {
			t.Errorf("%s: read %q", role, lines)
		}
	}
}
