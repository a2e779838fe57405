package pool_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// A process that takes no notice of Terminate is killed when the grace is over, with the program
// that it has started. One that does ends by itself.
func TestProcessTerminateGrace(t *testing.T) {
	c, w := newChronicle(t)
	deaf := startProcess(t, live, family{Wait: "ignore", Sleep: true}, process.Options{Name: "deaf", Files: []*os.File{w}})
	good := startProcess(t, live, family{Wait: "context"}, process.Options{Name: "good", Files: []*os.File{w}})
	w.Close()
	c.expect("deaf began", "good began")
	const grace = 30 * time.Millisecond
	start := time.Now()
	if err := deaf.Terminate(grace); err != nil { //clock: the time-out is the subject
		t.Error(err)
	}
	if code := join(t, deaf); code != -9 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(start); took < grace { //clock: at least so long
		t.Errorf("it had no grace, only %v", took)
	}
	if err := good.Terminate(time.Hour); err != nil {
		t.Error(err)
	}
	if code := join(t, good); code != -15 {
		t.Errorf("exit code %d", code)
	}
	c.expectEnd()
}

// restarts has a pool, a daemon and a process, and then runs another program in its place, as a
// server does for an update.
var restarts = proctest.Register("restarts", func([]string) {
	out := os.NewFile(3, "chronicle")
	p, err := pool.New(context.Background(), pool.Options{Workers: 2, Files: []*os.File{out}})
	if err != nil {
		panic(err)
	}
	for range 2 {
		go pool.Apply(context.Background(), p, live, family{Wait: "context", Sleep: true})
	}
	if err := startKids([]kid{
		{Name: "daemon", Daemon: true, Family: family{Wait: "context", Sleep: true}},
		{Name: "deaf daemon", Daemon: true, Family: family{Wait: "ignore", Sleep: true}},
		{Name: "other", Family: family{Wait: "parent"}},
	}, out); err != nil {
		panic(err)
	}
	proctest.Hear()
	syscall.CloseOnExec(3)
	panic(syscall.Exec("/bin/sh", []string{"sh", "-c", "exec sleep 1000"}, os.Environ()))
})

// The workers and daemons of a program end when another one takes its place in the same process;
// other processes are told.
func TestExecInPlaceEndsWorkers(t *testing.T) {
	c, w := newChronicle(t)
	parent := proctest.Command(t, restarts)
	parent.Cmd.ExtraFiles = []*os.File{w}
	parent.Start()
	w.Close()
	c.expect("Worker-1 began", "Worker-2 began", "daemon began", "deaf daemon began", "other began")
	parent.Send("go on")
	c.expect("Worker-1 ends", "Worker-2 ends", "daemon ends", "other noticed, alive: false", "other ends")
	c.expectEnd()
	parent.Kill()
}
