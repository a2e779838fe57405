package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/pool"
)

// processes counts those that got their name from this package.
var processes atomic.Int64

// A Process runs one task in a process of its own: this very program, started again, which gets to
// pool.Main. The result of the task is dropped; what it has to tell goes through shared objects in
// its argument. It inherits the environment, directory and arguments of this process, its standard
// output and error, but no other files, and has nothing to read on its standard input.
//
// It leads a process group of its own. What else is in that group when it ends, which are the
// programs that its task has started by other means than this package, is killed then.
//
// It may be used by any number of goroutines. Its end is noticed whether or not it is joined.
type Process struct {
	options Options
	request spawnRequest
	proc    *child.Process
	ended   chan struct{} // closed at the very end
}

// Start starts t with arg in a process of its own. It returns when the process has its argument and
// begins with the task: from then on handles in the argument are the process's own, and the caller
// may close its own. The argument is encoded before anything else; later changes to it are not
// seen.
//
// When ctx ends before that, the process is killed. Afterwards ctx has no effect.
//
// Errors: [pool.ErrNoMain]; [pool.ErrTooDeep]; an argument that cannot be encoded; options that can
// never be right; what the system, or the new process itself, says: options that cannot be applied,
// an argument that it cannot decode, a task that it does not know; the cause of the end of ctx.
// There is no process then.
func Start[A, R any](ctx context.Context, t *pool.Task[A, R], arg A, o Options) (*Process, error) {
	h := task.ByID(task.IDOf(t.Name()))
	p, argument, err := prepare(h, &arg, o)
	if err != nil {
		return nil, err
	}
	if err := p.start(ctx, argument); err != nil {
		return nil, fmt.Errorf("process: start %q: %w", p.Name(), err)
	}
	// what its handles lead to must stay until the process has followed them
	runtime.KeepAlive(&arg)
	return p, nil
}

// prepare encodes the argument, which arg points to.
func prepare(h *task.Handler, arg any, o Options) (p *Process, argument []byte, err error) {
	if err := child.NeedMain(); err != nil {
		return nil, nil, err
	}
	if o, err = o.complete(); err != nil {
		return nil, nil, err
	}
	argument, err = h.Encode(arg)
	if err != nil {
		return nil, nil, fmt.Errorf("process: %q: argument of task %q: %w", o.Name, h.Name, err)
	}
	request := spawnRequest{Name: o.Name, Daemon: o.Daemon, Task: h.Name, ID: h.ID}
	return &Process{options: o, ended: make(chan struct{}), request: request}, argument, nil
}

// start starts the process and waits until it begins.
func (p *Process) start(ctx context.Context, argument []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	link, err := p.launch()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { p.proc.Kill() })
	err = p.handshake(link, p.proc, argument)
	if !stop() && err != nil { // it was killed because of ctx
		err = context.Cause(ctx)
	}
	if err != nil {
		p.proc.Kill()
		<-p.ended
	}
	return err
}

// launch starts the process, and returns the way to it.
func (p *Process) launch() (*os.File, error) {
	depth, err := child.NextDepth()
	if err != nil {
		return nil, err
	}
	here, there, err := child.Link()
	if err != nil {
		return nil, err
	}
	defer there.Close()
	p.request.Parent = child.Current().Name
	p.request.Files = child.FileNames(p.options.Files)
	proc, err := child.Start(child.Spec{
		Env: append(p.options.Env[:len(p.options.Env):len(p.options.Env)], depth, fmt.Sprintf("%s=%d", child.ProcessOrder, os.Getpid())),
		Dir: p.options.Dir,
		Own: []*os.File{there}, Files: p.options.Files,
		Stdout: p.options.Stdout, Stderr: p.options.Stderr,
		Limits: p.options.surroundings().Limits(),
	})
	if err != nil {
		here.Close()
		return nil, err
	}
	p.proc = proc
	adopt(p)
	event.Show(slog.LevelInfo, "process started", slog.String("name", p.Name()), slog.Int("pid", proc.PID()))
	go func() {
		<-proc.Done()
		exit := proc.Wait()
		event.Show(slog.LevelInfo, "process ended", slog.String("name", p.Name()), slog.Int("pid", proc.PID()),
			slog.Int("code", exit.Code), slog.String("signal", exit.Signal))
		disown(p)
		close(p.ended)
	}()
	return here, nil
}

// answerLimit is how long a process that says nothing, but has ended what ties it to us, may take
// to end.
const answerLimit = 2 * time.Second

// handshake sends the request and the argument, and waits until the process says that it begins.
func (p *Process) handshake(link *os.File, proc *child.Process, argument []byte) error {
	defer link.Close()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		// another process that has inherited the other end does not speak for it
		case <-proc.Done():
			link.SetDeadline(time.Now().Add(answerLimit / 2))
		case <-finished:
		}
	}()
	sent := p.request.send(link, argument)
	came, began, err := receiveAck(link) // it may have said why it stopped reading
	if began || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	select {
	case <-proc.Done():
	case <-ctx.Done():
		return errors.Join(errors.New("it does not answer"), sent)
	}
	if exit := proc.Wait(); came || exit.Signal != "" {
		return fmt.Errorf("it ended before its task began: %v", exit)
	}
	return child.BeforeMain("the process", proc.Wait(), "")
}
