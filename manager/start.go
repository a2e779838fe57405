package manager

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/socket"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shm"
)

// An order is what the process of Start is told.
type order struct {
	Address     string
	Key         []byte
	Insecure    bool
	Concurrent  int
	Max         int
	Pin         time.Duration
	Silence     time.Duration
	Initializer string
}

// A report is what it answers: that it serves, or why it does not.
type report struct {
	Serves  bool
	Address string // with the port that was chosen
	Failure failure
}

// serveTask is the task of the process of Start.
var serveTask = pool.Define("shmkit/manager.Start", func(ctx context.Context, o order) (struct{}, error) {
	to := process.Current().Files[0]
	s, err := o.serve(ctx)
	r := report{Serves: err == nil, Address: o.Address}
	if err != nil {
		r.Failure = failureOf(err)
	} else if network, _, ok := socket.Parse(o.Address); ok && network == "tcp" {
		r.Address = "tcp://" + s.Addr().String()
	}
	b, encodeErr := wire.Encode(r)
	if encodeErr == nil {
		_, encodeErr = to.Write(b)
	}
	to.Close()
	if err = errors.Join(err, encodeErr); err != nil {
		return struct{}{}, nil // the parent knows
	}
	<-ctx.Done()
	if process.Parent().Alive() {
		return struct{}{}, s.Close(context.Background())
	}
	s.Kill()
	<-s.Done()
	return struct{}{}, nil
})

// serve begins to serve, in the new process.
func (o *order) serve(ctx context.Context) (*Server, error) {
	if err := initialize(ctx, o.Initializer); err != nil {
		return nil, err
	}
	options := Options{Name: o.Address, Key: o.Key, Insecure: o.Insecure, Concurrent: o.Concurrent, Max: o.Max, Pin: o.Pin, Silence: o.Silence}
	l, err := Listen(o.Address, options)
	if err != nil {
		return nil, err
	}
	return Serve(context.WithoutCancel(ctx), l, options)
}

// Start starts a manager in a process of its own, and connects to it. The process is this very
// program, started again, which gets to pool.Main; it ends with this process, in whatever way that
// ends, and takes no notice of a Ctrl-C at the terminal.
//
// Errors: those of [process.Start], such as pool.ErrNoMain; those of [Listen]; the error of the
// initializer, as a [*RemoteError]; the cause of the end of ctx. There is no process then.
func Start(ctx context.Context, o Options) (*Manager, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if o.TLS != nil {
		return nil, fmt.Errorf("manager: Start with TLS: its keys cannot be passed on to a process: use Serve there: %w", fs.ErrInvalid)
	}
	address := absolute(o.Name)
	m := &Manager{}
	if address == "" {
		address = "manager-" + rand.Text()
		m.name = address
	}
	if address, err = m.launch(ctx, address, o); err != nil {
		return nil, err
	}
	m.c = join(address, o)
	if _, err := m.c.connected(ctx); err != nil {
		m.c.part()
		m.endProcess()
		return nil, err
	}
	return m, nil
}

// launch starts the process, and waits until it serves. It returns where that is.
func (m *Manager) launch(ctx context.Context, address string, o Options) (at string, err error) {
	from, to, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("manager: %w", err)
	}
	defer from.Close()
	order := order{Address: address, Key: o.Key, Insecure: o.Insecure, Concurrent: o.Concurrent, Max: o.Max, Pin: o.Pin, Silence: o.Silence}
	if o.Initializer != nil {
		order.Initializer = o.Initializer.name
	}
	how := o.Process
	how.Daemon, how.Files = true, []*os.File{to}
	if how.Name = "manager " + o.Name; o.Name == "" {
		how.Name = "manager"
	}
	m.proc, err = process.Start(ctx, serveTask, order, how)
	to.Close()
	if err != nil {
		return "", err
	}
	go m.tidy()
	if at, err = awaitReport(ctx, from); err != nil {
		m.endProcess()
		return "", fmt.Errorf("manager: start: %w", err)
	}
	return at, nil
}

// awaitReport waits until the process says that it serves, and where.
func awaitReport(ctx context.Context, from *os.File) (at string, err error) {
	stop := context.AfterFunc(ctx, func() { from.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b, err := io.ReadAll(from)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err == nil && len(b) == 0 {
		return "", errors.New("the process ended before it served")
	}
	var r report
	if err = errors.Join(err, wire.Decode(b, &r)); err != nil {
		return "", err
	}
	const what = "the start of the manager"
	switch f := r.Failure; {
	case r.Serves:
		return r.Address, nil
	case f.Class == failedPanic:
		return "", &PanicError{Call: what, Value: f.Text, Stack: f.Stack}
	default:
		return "", &RemoteError{Call: what, Type: f.Type, Text: f.Text, Stack: f.Stack, registered: task.RegisteredNamed(f.Registered)}
	}
}

func (m *Manager) endProcess() {
	m.proc.Kill()
	m.proc.Join(context.Background())
}

// tidy removes what a killed process has left under a name that no other uses.
func (m *Manager) tidy() {
	<-m.proc.Sentinel()
	if m.name != "" && !strings.ContainsRune(m.name, '/') {
		shm.Remove(m.name)
	}
}
