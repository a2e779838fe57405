package child

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// reapAll waits for all children of this process, as PID 1 of a container does.
func reapAll() {
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil {
			proctest.Stagger(200 * time.Microsecond)
		}
	}
}

// loses starts children whose end another part of this process takes, and says how they ended.
var loses = proctest.Register("loses", func(args []string) {
	if args[0] == "ignored" {
		signal.Ignore(syscall.SIGCHLD)
	} else {
		go reapAll()
	}
	for _, end := range [][]string{{"exit", "0"}, {"exit", "3"}, {"signal", "9"}} {
		p, err := Start(in(ends, Spec{}, end...))
		if err != nil {
			panic(err)
		}
		exit := p.Wait()
		_, err = p.Usage()
		proctest.Say("%v, %v, %v, %v", exit, p.Kill(), p.Terminate(), err)
	}
})

// The exit code of a child that another part of the program has waited for is the right one or
// unknown, and never made up.
func TestExitTaken(t *testing.T) {
	for _, how := range []string{"ignored", "reaped"} {
		c := proctest.Start(t, loses, how)
		for _, want := range []string{"exit code 0", "exit code 3", "killed by signal killed"} {
			const after = ", <nil>, <nil>, <nil>"
			if got := c.Line(); got != want+after && got != Unknown.String()+after {
				t.Errorf("%s: %q, want %q", how, got, want)
			}
		}
		c.WaitOK()
	}
}

// losesLeader starts a child that leaves another process in its group, ends it and takes its end,
// and then has Process deal with it by its id alone if so asked.
var losesLeader = proctest.Register("loses leader", func(args []string) {
	held := os.NewFile(3, "held")
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	spec := in(leads, Spec{Files: []*os.File{held, w}})
	cmd, own, err := command(self, spec, os.Stdin)
	if err != nil {
		panic(err)
	}
	fd := -1
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, PidFD: &fd}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	closeAll(own)
	held.Close()
	var member int
	fmt.Fscan(r, &member)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	if args[0] == "pidfd" {
		p.pidfd, _ = newPidfd(fd)
	}
	syscall.Kill(p.PID(), syscall.SIGKILL)
	syscall.Wait4(p.PID(), nil, 0, nil)
	p.Kill()
	p.Terminate()
	holdLifeline()
	go p.reap()
	proctest.Say("%d %v", member, p.Wait())
	proctest.Hear()
})

var leads = proctest.Register("leads", func([]string) {
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "held")}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	fmt.Fprintln(os.NewFile(4, "out"), cmd.Process.Pid)
	select {}
})

// A group is not signalled by its id once another part of the program has waited for its leader:
// the id may be another's by then. The pidfd still ends the right group.
func TestGroupOfTakenLeader(t *testing.T) {
	for _, how := range []string{"pidfd", "id"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c := proctest.Command(t, losesLeader, how)
		c.Cmd.ExtraFiles = []*os.File{w}
		c.Start()
		w.Close()
		var member int
		var exit string
		fmt.Sscanf(c.Line(), "%d %s", &member, &exit)
		lives := true
		if how == "id" { // what was not signalled does not change
			stat := proctest.Stat(member)
			lives = stat.PID == member && stat.State != "Z"
		}
		switch {
		case !lives:
			t.Error("the group was signalled by an id that may be another's")
		case how == "id" || !kernelAtLeast(t, 6, 9):
			syscall.Kill(member, syscall.SIGKILL)
		}
		r.SetReadDeadline(time.Now().Add(proctest.Hang))
		if n, err := r.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
			t.Errorf("%s: the group goes on: %d, %v", how, n, err)
		}
		c.Send("end")
		c.WaitOK()
	}
}

// kernelAtLeast reports whether the kernel is of that version, or later.
func kernelAtLeast(t *testing.T, major, minor int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	var is [2]int
	if _, err := fmt.Sscanf(string(b), "%d.%d", &is[0], &is[1]); err != nil {
		t.Fatal(strconv.Quote(string(b)), err)
	}
	return is[0] > major || is[0] == major && is[1] >= minor
}
