package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/task"
)

// daemonGrace is how long a daemon may go on when it shall end.
const daemonGrace = 500 * time.Millisecond

// interruptGrace is how long a process that is no daemon may go on when its parent was interrupted.
const interruptGrace = 2 * time.Second

func init() { child.Register(child.ProcessOrder, runProcess) }

// runProcess runs the [Process] with a parent of that process id. It does not return.
func runProcess(parentPID string, limited error) {
	link, err := child.Inherited(child.OrderFD, "link")
	if err != nil {
		fmt.Fprintf(os.Stderr, "process: %v\n", err)
		os.Exit(child.ExitNoStart)
	}
	io.WriteString(link, ackMain) // a parent that has gone meanwhile is noticed elsewhere
	r := &childProcess{}
	run, err := r.prepare(link, parentPID, limited)
	if err != nil {
		sendAck(link, err)
		os.Exit(child.ExitNoStart)
	}
	r.watchEnd()
	child.BindGroup() // without it the parent ends what the task has started
	sendAck(link, nil)
	link.Close()
	r.exit(guard.Call(func() error { return run(r.ctx) }))
}

// A childProcess is a [Process], seen from within.
type childProcess struct {
	request    spawnRequest
	watch      *child.Parent
	ctx        context.Context // of the task
	cancel     context.CancelFunc
	terminated atomic.Bool // by SIGTERM, or with a parent that was interrupted
	interrupt  atomic.Bool // the parent was interrupted
}

// prepare reads what the parent has sent, and prepares the task.
func (r *childProcess) prepare(link *os.File, parentPID string, limited error) (run func(context.Context) error, err error) {
	if limited != nil {
		return nil, limited
	}
	pid, err := strconv.Atoi(parentPID)
	if err != nil {
		return nil, fmt.Errorf("%s=%q makes no sense", child.ProcessOrder, parentPID)
	}
	r.watch, err = child.WatchParent(pid)
	if err != nil {
		return nil, err
	}
	l, argument, err := receiveRequest(link)
	if err != nil {
		return nil, fmt.Errorf("read what the parent has sent: %w", err)
	}
	r.request = l
	files, err := child.InheritedFiles(l.Files)
	if err != nil {
		return nil, err
	}
	child.SetCurrent(&child.Info{
		Name: l.Name, Daemon: l.Daemon, Files: files, ParentName: l.Parent, ParentPID: pid, ParentGone: r.watch.Gone(),
	})
	h := task.ByID(l.ID)
	if h == nil || h.Name != l.Task {
		return nil, fmt.Errorf("it does not know task %q: define it before pool.Main is called", l.Task)
	}
	return h.Begin(argument)
}

// watchEnd makes the task's context, which ends at SIGTERM and with the parent: in a daemon in any
// case, otherwise when the parent was interrupted by a Ctrl-C, which is meant for the whole
// program.
func (r *childProcess) watchEnd() {
	r.ctx, r.cancel = context.WithCancel(context.Background())
	child.OnTerminate(func() {
		r.terminated.Store(true)
		r.cancel()
	})
	go func() {
		<-r.watch.Gone()
		grace := daemonGrace
		if !r.request.Daemon {
			if !r.watch.Interrupted() {
				return
			}
			grace = interruptGrace
			r.interrupt.Store(true)
			r.terminated.Store(true)
			for _, p := range Children() {
				p.Terminate(grace / 2)
			}
		}
		r.cancel()
		time.Sleep(grace) // for the task to end
		child.EndGroup()
	}()
}

// exit ends this process when its task has.
func (r *childProcess) exit(err error) {
	if err != nil && !r.wasAsked(err) {
		r.report(err)
	}
	Shutdown(r.ctx) // once this process shall end, only its daemons are seen to
	switch {
	case r.request.Daemon && !Parent().Alive():
		child.EndGroup() // no other process ends what the task has started
	case err == nil:
		os.Exit(0)
	case r.wasAsked(err) && r.interrupt.Load():
		child.DieInterrupted()
	case r.wasAsked(err):
		child.DieTerminated()
	}
	os.Exit(1)
}

// wasAsked says whether the task has returned because it was asked to.
func (r *childProcess) wasAsked(err error) bool {
	return r.terminated.Load() && errors.Is(err, context.Canceled)
}

// report writes to the standard error how the task failed.
func (r *childProcess) report(err error) {
	var p *guard.Panic
	if errors.As(err, &p) {
		err = fmt.Errorf("panic: %s\n\n%s", p.Value, p.Stack)
	}
	fmt.Fprintf(os.Stderr, "process %q: task %q: %v\n", r.request.Name, r.request.Task, err)
}
