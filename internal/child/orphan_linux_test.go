package child

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/environ"
	"github.com/shmkit/shmkit/internal/proctest"
)

// orphan says through descriptor 3 that its parent is gone.
var orphan = proctest.Register("orphan", func(args []string) {
	parent, _ := strconv.Atoi(args[1])
	watch := make(chan struct{})
	switch args[0] {
	case "pidfd":
		environ.Take(lifelineEnv)
		fallthrough
	case "lifeline":
		p, err := WatchParent(parent)
		if err != nil {
			panic(err)
		}
		go func() { <-p.Gone(); close(watch) }()
	default:
		go func() { (&Parent{pid: parent}).awaitEnd(); close(watch) }()
	}
	out := os.NewFile(3, "out")
	fmt.Fprintln(out, "ready")
	<-watch
	fmt.Fprintln(out, "gone")
})

var parent = proctest.Register("parent", func(args []string) {
	_, err := Start(in(orphan, Spec{Files: []*os.File{os.NewFile(3, "out")}}, args[0], strconv.Itoa(os.Getpid())))
	if err != nil {
		panic(err)
	}
	if proctest.Hear() == "exec" {
		panic(syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil))
	}
})

// A47: a grandchild notices its parent's end.
func TestOrphaned(t *testing.T) {
	for _, how := range []string{"pidfd", "period", "lifeline"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c := proctest.Command(t, parent, how)
		c.Cmd.ExtraFiles = []*os.File{w}
		c.Start()
		w.Close()
		talk := &talk{t: t, out: r}
		talk.lines = bufio.NewReader(r)
		if got := talk.line(); got != "ready" {
			t.Fatal(got)
		}
		//clock: at least so long it says nothing
		r.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := r.Read(make([]byte, 1)); !os.IsTimeout(err) {
			t.Errorf("%s: it says something while its parent lives: %d, %v", how, n, err)
		}
		if how == "lifeline" { // the process goes on, with another program
			c.Send("exec")
		} else {
			c.Signal(syscall.SIGKILL)
		}
		if got := talk.line(); got != "gone" {
			t.Error(got)
		}
		c.Kill()
	}
	stranger, err := WatchParent(1 << 21) // such a process is not the parent
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-stranger.Gone():
	default:
		t.Error("the parent that there is not lives")
	}
}
