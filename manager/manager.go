package manager

import (
	"context"
	"fmt"
	"sync"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/process"
)

// A Manager is a manager, seen from a process that uses its objects. It is made by [Start] or
// [Dial]. All Managers of a process for one address share one connection.
//
// All methods may be called by any number of goroutines.
type Manager struct {
	c    *client
	proc *process.Process // of Start
	name string           // of the segment that goes with the process; "": none

	mu     sync.Mutex
	closed bool
}

// Dial connects to the manager at an address: the name that [Start] or [Listen] got, or
// "unix://PATH", or "tcp://HOST:PORT". o says the key, how the connection is protected, and
// OnLost; the first Manager of a process for an address decides.
//
// Errors: [syscall.ECONNREFUSED] when no manager is there; [ErrKey] when the keys differ or one
// side has none; [ErrInsecure]; those of [pipe.Dial] and [net.Dial]; the cause of the end of ctx.
func Dial(ctx context.Context, address string, o Options) (*Manager, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	m := &Manager{c: join(absolute(address), o)}
	if _, err := m.c.connected(ctx); err != nil {
		m.c.part()
		return nil, err
	}
	return m, nil
}

func (m *Manager) check() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("%w: the manager %s, by this process", ErrClosed, m.c.address)
	}
	return nil
}

// Address is where the manager is, for [Dial].
func (m *Manager) Address() string { return m.c.address }

// Process is the process of a manager that [Start] has started, or nil.
func (m *Manager) Process() *process.Process { return m.proc }

// Lost is closed when the connection to the manager is lost. The next call makes another one, of
// which a later Lost tells.
func (m *Manager) Lost() <-chan struct{} {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.c.l.ended
}

// Close ends the use of the manager by this Manager. With the last one of the process for an
// address the connection ends, and with it the references. A manager that [Start] has started ends
// as by [Manager.Shutdown] without an end of its context.
func (m *Manager) Close() error { return m.Shutdown(context.Background()) }

// Shutdown ends a manager that [Start] has started: it takes no new calls, those that run finish,
// the objects are closed, the youngest first, and the process ends. When ctx ends before that, the
// process is killed. For other managers it is [Manager.Close]. It may be called again.
//
// Errors: the cause of the end of ctx; how the process has ended, if not with exit code 0.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.mu.Unlock()
	defer m.c.part()
	if m.proc == nil {
		return nil
	}
	if err := m.proc.Terminate(-1); err != nil {
		return fmt.Errorf("manager %s: %w", m.c.address, err)
	}
	err := m.proc.Join(ctx)
	if err != nil {
		m.proc.Kill()
		m.proc.Join(context.Background())
		return fmt.Errorf("manager %s: shutdown: %w", m.c.address, err)
	}
	if code, _ := m.proc.ExitCode(); code != 0 {
		return fmt.Errorf("manager %s: its process ended with exit code %d", m.c.address, code)
	}
	return nil
}

// Kill kills the process of a manager that [Start] has started, and the programs that it has
// started. Its clients get a [*LostError]. It does nothing for other managers.
func (m *Manager) Kill() error {
	if m.proc == nil {
		return nil
	}
	return m.proc.Kill()
}

// ask asks the manager itself.
func (m *Manager) ask(ctx context.Context, what string, kind frame.Kind, payload []byte) ([]byte, error) {
	for {
		if err := m.check(); err != nil {
			return nil, err
		}
		l, err := m.c.connected(ctx)
		if err != nil {
			return nil, err
		}
		b, _, err := l.ask(ctx, what, &frame.Head{Kind: kind}, payload)
		if err != errDead {
			return b, err
		}
	}
}

// Remove ends the name of an object. The object goes with its last reference. It reports whether
// there was one of that name.
//
// Errors: those of [Call.Call].
func (m *Manager) Remove(ctx context.Context, name string) (bool, error) {
	b, err := m.ask(ctx, "Remove", kindRemove, []byte(name))
	return err == nil && len(b) == 1 && b[0] == 1, err
}

// Objects describes the objects of the manager, the oldest first.
//
// Errors: those of [Call.Call].
func (m *Manager) Objects(ctx context.Context) ([]ObjectInfo, error) {
	b, err := m.ask(ctx, "Objects", kindList, nil)
	if err != nil {
		return nil, err
	}
	var all []ObjectInfo
	if err := wire.Decode(b, &all); err != nil {
		return nil, fmt.Errorf("manager %s: Objects: %w", m.c.address, err)
	}
	return all, nil
}

// NumberOfObjects is how many objects the manager has.
//
// Errors: those of [Call.Call].
func (m *Manager) NumberOfObjects(ctx context.Context) (int, error) {
	all, err := m.Objects(ctx)
	return len(all), err
}
