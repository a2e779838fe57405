package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/event"
)

// processes counts those that got their name from this package.
var processes atomic.Int64

// A Process runs one task in a process of its own: this very program, started again, which gets
// to [Main]. Its result is dropped; what it has to tell goes through shared objects in its argument. It inherits the
// environment, directory and arguments of this process, its standard output and error, but no other files, and
// has nothing to read on its standard input.
//
// It leads a process group of its own. What else is in that group when it ends, which are the programs that its task has started by
// other means than this package, is killed then.
//
// It may be used by any number of goroutines. Its end is noticed whether or not anybody joins it.
type Process struct {
	options ProcessOptions
	letter  letter
	ended   chan struct{} // closed at the very end, and when Start fails

	mu       sync.Mutex
	started  bool
	argument []byte         // encoded, until it was sent
	keep     any            // the argument itself: what its handles lead to must stay until they were followed
	proc     *child.Process // nil before Start
	failed   error          // of a Start that made no process
}

var errNotStarted = errors.New("pool: the process was not started")

// NewProcess prepares a process that runs t with arg. The argument is encoded at once: later changes to it are not seen.
//
// Errors: [ErrNoMain]; an argument that cannot be encoded; options that can never be right.
func NewProcess[A, R any](t *Task[A, R], arg A, o ProcessOptions) (*Process, error) {
	if err := child.NeedMain(); err != nil {
		return nil, err
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	b, err := t.args.Encode(&arg)
	if err != nil {
		return nil, fmt.Errorf("pool: process %q: argument of task %q: %w", o.Name, t.name, err)
	}
	return &Process{
		options: o, ended: make(chan struct{}), argument: b, keep: &arg,
		letter: letter{Name: o.Name, Daemon: o.Daemon, Task: t.name, ID: t.id},
	}, nil
}

// Start starts the process and returns when it has its argument and begins with the task: from then on handles in the
// argument are its own. It can be called once. Whoever gives up on it calls [Process.Kill] meanwhile.
//
// Errors: [ErrNoMain]; [ErrTooDeep]; what the system, or the new process itself, says: options that
// cannot be applied, an argument that it cannot decode, a task that it does not know. There is no process then.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return fmt.Errorf("pool: process %q was started already", p.Name())
	}
	p.started = true
	link, err := p.launch()
	if err != nil {
		p.failed = fmt.Errorf("pool: start process %q: %w", p.Name(), err)
		close(p.ended)
		return p.failed
	}
	argument, proc := p.argument, p.proc
	p.mu.Unlock() // others may look at the process, and kill it
	err = p.converse(link, proc, argument)
	if err != nil {
		proc.Kill()
		<-p.ended
		err = fmt.Errorf("pool: start process %q: %w", p.Name(), err)
	}
	p.mu.Lock()
	p.argument, p.keep = nil, nil
	return err
}

// launch starts the process, and returns the way to it. The caller holds mu.
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
	p.letter.Parent = child.Current().Name
	p.letter.Files = child.FileNames(p.options.Files)
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

// patience is how long a process that says nothing, but has ended what ties it to us, may take to end.
const patience = 2 * time.Second

// converse sends the letter and the argument, and waits until the process says that it begins.
func (p *Process) converse(link *os.File, proc *child.Process, argument []byte) error {
	defer link.Close()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-proc.Done(): // whoever has inherited the other end does not speak for it
			link.SetDeadline(time.Now().Add(patience / 2))
		case <-finished:
		}
	}()
	sent := p.letter.send(link, argument)
	came, began, err := receiveWord(link) // it may have said why it stopped reading
	if began || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
