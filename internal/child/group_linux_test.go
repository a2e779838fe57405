package child

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

var leader = proctest.Register("leader", func(args []string) {
	// Its own child holds on to descriptor 3.
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "held")}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	os.NewFile(3, "held").Close()
	proctest.Say("ready")
	proctest.Hear()
})

// What a child has started ends with it, whether it was killed or has ended.
func TestGroupEndsWithChild(t *testing.T) {
	for _, how := range []string{"kill", "end"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p, talk := converse(t, in(leader, Spec{Files: []*os.File{w}}))
		w.Close()
		talk.line()
		if how == "kill" {
			p.Kill()
		} else {
			talk.send("go on")
		}
		wait(t, p)
		r.SetReadDeadline(time.Now().Add(proctest.Hang))
		if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
			t.Errorf("%s: the group goes on: %d, %v", how, n, err)
		}
	}
}

var endsGroup = proctest.Register("ends group", func([]string) { EndGroup() })

// A process that has joined the group of another ends by itself.
func TestEndGroup(t *testing.T) {
	other := proctest.Command(t, waits)
	other.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	other.Start()
	for name, group := range map[string]int{"own": 0, "joined": other.PID()} {
		c := proctest.Command(t, endsGroup)
		c.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
		c.Start()
		if status := c.Wait().Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			t.Errorf("%s group: it ended with %v", name, status)
		}
	}
	other.Send("end")
	other.WaitOK()
}
