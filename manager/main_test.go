package manager

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	proctest.Main(m)
}

var background = context.Background()

// A desk is what the tests call.
type desk struct {
	mu    sync.Mutex
	notes []string
	gate  chan struct{} // closed by Open
}

var errNotFound = errors.New("not found")

func init() { Error("manager_test.errNotFound", errNotFound) }

var (
	Desk   = Define("desk", openDesk)
	Add    = Method(Desk, "add", (*desk).add)
	Append = Method(Desk, "append", (*desk).append)
	All    = Method(Desk, "all", (*desk).all)
	Echo   = Method(Desk, "echo", (*desk).echo)
	Find   = Method(Desk, "find", (*desk).find)
	Panic  = Method(Desk, "panic", (*desk).panic)
	Goexit = Method(Desk, "goexit", (*desk).goexit)
	Block  = Method(Desk, "block", (*desk).block)
	Open   = Method(Desk, "open", (*desk).open)
	Left   = Method(Desk, "left", (*desk).left)
	Exit   = Method(Desk, "exit", (*desk).exit)
	Bad    = Method(Desk, "bad", (*desk).bad)
	Count  = Yields(Desk, "count", (*desk).count)
	Sub    = Maker(Desk, "sub", (*desk).sub, Desk)
	Give   = Method(Desk, "give", (*desk).give)
	Pid    = Method(Desk, "pid", func(*desk, context.Context, struct{}) (int, error) { return os.Getpid(), nil })

	Slow  = Define("slow", func(context.Context, struct{}) (*slow, error) { return &slow{}, nil }, Exclusive())
	Enter = Method(Slow, "enter", (*slow).enter)
	Again = Method(Slow, "again", (*slow).again)
)

func openDesk(ctx context.Context, first []string) (*desk, error) {
	if len(first) == 1 && first[0] == "fail" {
		return nil, fmt.Errorf("the desk: %w", errNotFound)
	}
	return &desk{notes: first, gate: make(chan struct{})}, nil
}

func (d *desk) Close() error {
	closedMu.Lock()
	defer closedMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	closedDesks = append(closedDesks, d.notes...)
	return nil
}

// closedDesks are the notes of the desks that were closed in this process.
var (
	closedMu    sync.Mutex
	closedDesks []string
)

func (d *desk) add(_ context.Context, n int64) (int64, error) { return n + 1, nil }
func (d *desk) append(_ context.Context, s string) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, s)
	return len(d.notes), nil
}
func (d *desk) all(context.Context, struct{}) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.notes, nil
}
func (d *desk) echo(_ context.Context, b []byte) ([]byte, error) { return b, nil }
func (d *desk) find(_ context.Context, s string) (string, error) {
	return "", fmt.Errorf("note %q: %w", s, errNotFound)
}
func (d *desk) panic(_ context.Context, n int64) (int64, error) { panic(fmt.Sprint("number ", n)) }
func (d *desk) goexit(_ context.Context, n int64) (int64, error) {
	runtime.Goexit()
	return 0, nil
}

// block waits until open is called, or its context ends.
func (d *desk) block(ctx context.Context, n int64) (int64, error) {
	if n == 1 { // it shall tell that it runs
		d.append(ctx, "block")
	}
	select {
	case <-d.gate:
		return n, nil
	case <-ctx.Done():
		d.append(context.Background(), "ended: "+context.Cause(ctx).Error())
		return 0, context.Cause(ctx)
	}
}
func (d *desk) open(context.Context, int64) (int64, error) {
	close(d.gate)
	return 0, nil
}

// left is the time until the deadline of the call.
func (d *desk) left(ctx context.Context, _ int64) (time.Duration, error) {
	at, ok := ctx.Deadline()
	if !ok {
		return 0, nil
	}
	return time.Until(at), nil
}
func (d *desk) exit(context.Context, int64) (int64, error) {
	os.Exit(7)
	return 0, nil
}
func (d *desk) bad(context.Context, int64) (any, error) { return func() {}, nil }
func (d *desk) count(ctx context.Context, n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range max(n, -n) {
			d.append(ctx, "yield")
			if !yield(make([]byte, i), nil) {
				return
			}
		}
		if n < 0 {
			yield(nil, errNotFound)
		}
	}
}
func (d *desk) sub(_ context.Context, s string) (*desk, error) {
	if s == "" {
		return nil, errNotFound
	}
	return &desk{notes: []string{s}, gate: make(chan struct{})}, nil
}

// give calls the desk that it is given.
func (d *desk) give(ctx context.Context, other *Ref[*desk]) (int, error) {
	defer other.Close()
	return Append.Call(ctx, other, "given")
}

// slow is an exclusive object.
type slow struct{ inside atomic.Int32 }

func (s *slow) enter(context.Context, int64) (int64, error) {
	n := s.inside.Add(1)
	runtime.Gosched()
	s.inside.Add(-1)
	return int64(n), nil
}

// again calls itself.
func (s *slow) again(ctx context.Context, me *Ref[*slow]) (int64, error) {
	return Enter.Call(ctx, me, 0)
}

// start starts a manager that ends with the test.
func start(t testing.TB, o Options) *Manager {
	t.Helper()
	m, err := Start(background, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill() // it may have ended
		m.Shutdown(background)
	})
	return m
}

// newDesk opens a desk.
func newDesk(t testing.TB, m *Manager, notes ...string) *Ref[*desk] {
	t.Helper()
	d, err := Desk.New(background, m, notes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// objects waits until the manager has n objects.
func objects(t testing.TB, m *Manager, n int) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		got, err := m.NumberOfObjects(background)
		if err != nil {
			t.Fatal(err)
		}
		return got == n
	}, fmt.Sprintf("the manager has %d objects", n))
}
