package pool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/worker"
)

// A lifeOf notes what happens to a resource.
type lifeOf struct {
	mu     sync.Mutex
	events []string
}

func (l *lifeOf) note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, what)
}

// check fails the test unless this has happened, and nothing else.
func (l *lifeOf) check(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.events, want) {
		t.Errorf("%q, want %q", l.events, want)
	}
}

// define makes a resource for one test. l records when it is opened and closed.
func define[T any](t *testing.T, l *lifeOf, name string, value T, open, closer func() error) *Resource[struct{}, T] {
	t.Helper()
	r := DefineResource(name, func(context.Context, struct{}) (T, func() error, error) {
		l.note("open " + name)
		return value, func() error {
			l.note("close " + name)
			return closer()
		}, open()
	})
	t.Cleanup(func() { worker.ForgetResource(name) })
	return r
}

func fine() error { return nil }

// bound are resources as a worker has them.
func bound(t *testing.T, rs ...AnyResource) []worker.BoundResource {
	t.Helper()
	bound, err := bindAll(rs)
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

// mustPanic fails the test unless f panics with a text that has all of these words.
func mustPanic(t *testing.T, f func(), words ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		text := fmt.Sprint(recover())
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("it panics with %q, which has no %q", text, w)
			}
		}
	}()
	f()
}

func TestResourcesOpenAndClose(t *testing.T) {
	var l lifeOf
	a := define(t, &l, "a", 7, fine, fine)
	b := define[fmt.Stringer](t, &l, "b", nil, fine, fine)
	c := define(t, &l, "c", "text", fine, fine)
	o, err := worker.OpenResources(t.Context(), bound(t, a, b, c))
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	ctx := context.WithValue(o.Context(t.Context()), key{}, 1)
	if a.Get(ctx) != 7 || b.Get(ctx) != nil || c.Get(ctx) != "text" {
		t.Errorf("%v, %v, %v", a.Get(ctx), b.Get(ctx), c.Get(ctx))
	}
	if n := testing.AllocsPerRun(100, func() { a.Get(ctx); c.Get(ctx) }); n != 0 {
		t.Errorf("Get takes %v allocations", n)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	l.check(t, "open a", "open b", "open c", "close c", "close b", "close a")
}

// Whatever keeps one from being opened, those before it are closed, and those after it are not
// touched.
func TestResourceDoesNotOpen(t *testing.T) {
	for name, test := range map[string]struct {
		open func() error
		text string
	}{
		"error":  {func() error { return fs.ErrPermission }, `pool: open resource "b": permission denied`},
		"panic":  {func() error { panic("boom") }, `pool: open resource "b": panicked: boom`},
		"goexit": {func() error { runtime.Goexit(); return nil }, `pool: open resource "b": panicked: runtime.Goexit was called`},
	} {
		t.Run(name, func(t *testing.T) {
			var l lifeOf
			rs := []AnyResource{
				define(t, &l, "x", 0, fine, fine),
				define(t, &l, "a", 0, fine, fine),
				define(t, &l, "b", 0, test.open, fine),
				define(t, &l, "c", 0, fine, fine),
			}
			o, err := worker.OpenResources(t.Context(), bound(t, rs...))
			if o != nil || err == nil || err.Error() != test.text {
				t.Errorf("%v, %v", o, err)
			}
			var p *PanicError
			if name == "error" && !errors.Is(err, fs.ErrPermission) || name != "error" && (!errors.As(err, &p) || p.Stack == "") {
				t.Errorf("%#v", err)
			}
			l.check(t, "open x", "open a", "open b", "close a", "close x")
		})
	}
}

// A worker that is to end opens nothing more.
func TestResourcesOfACancelledWorker(t *testing.T) {
	var l lifeOf
	ctx, cancel := context.WithCancelCause(t.Context())
	rs := []AnyResource{
		define(t, &l, "a", 0, func() error { cancel(fs.ErrClosed); return nil }, fine),
		define(t, &l, "b", 0, fine, fine),
	}
	if _, err := worker.OpenResources(ctx, bound(t, rs...)); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	l.check(t, "open a", "close a")
}

// Whatever a close function does, the others are called, once each.
func TestResourceDoesNotClose(t *testing.T) {
	var l lifeOf
	rs := []AnyResource{
		define(t, &l, "a", 0, fine, fine),
		define(t, &l, "b", 0, fine, func() error { panic(errors.New("boom")) }),
		define(t, &l, "c", 0, fine, func() error { runtime.Goexit(); return nil }),
		define(t, &l, "d", 0, fine, func() error { return fs.ErrExist }),
	}
	o, err := worker.OpenResources(t.Context(), bound(t, rs...))
	if err != nil {
		t.Fatal(err)
	}
	err = o.Close()
	want := `pool: close resource "d": file already exists` + "\n" +
		`pool: close resource "c": panicked: runtime.Goexit was called` + "\n" +
		`pool: close resource "b": panicked: boom`
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	if again := o.Close(); again != err {
		t.Errorf("the second close returns %v", again)
	}
	l.check(t, "open a", "open b", "open c", "open d", "close d", "close c", "close b", "close a")
}

// Nothing to close is no error.
func TestResourceWithoutClose(t *testing.T) {
	var l lifeOf
	r := define(t, &l, "a", 3, fine, nil)
	r.opener = func(context.Context, struct{}) (int, func() error, error) { return 3, nil, nil }
	o, err := worker.OpenResources(t.Context(), bound(t, r))
	if err != nil || r.Get(o.Context(t.Context())) != 3 || o.Close() != nil {
		t.Error(err)
	}
}

func TestResourceMisuse(t *testing.T) {
	var l lifeOf
	a := define(t, &l, "a", 0, fine, fine)
	b := define(t, &l, "b", 0, fine, fine)
	open := func(context.Context, struct{}) (int, func() error, error) { return 0, nil, nil }
	mustPanic(t, func() { DefineResource("", open) }, "pool.DefineResource", "empty")
	mustPanic(t, func() { DefineResource("a", open) }, "pool.DefineResource", `"a"`, "already")
	mustPanic(t, func() { DefineResource[struct{}, int]("new", nil) }, "pool.DefineResource", `"new"`, "no function")
	mustPanic(t, func() { a.Get(t.Context()) }, "pool.Resource.Get", `"a"`, "not that of a task")
	o, err := worker.OpenResources(t.Context(), bound(t, a))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	mustPanic(t, func() { b.Get(o.Context(t.Context())) }, "pool.Resource.Get", `"b"`, "Options.Resources")
	none, err := worker.OpenResources(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// a pool in a pool
	mustPanic(t, func() { a.Get(none.Context(o.Context(t.Context()))) }, `"a"`, "Options.Resources")
	for _, bad := range [][]AnyResource{{a, nil}, {a, b, a}, {new(Resource[struct{}, int])}} {
		if rs, err := bindAll(bad); err == nil {
			t.Errorf("%v passes", rs)
		}
	}
	if _, err := new(worker.Worker).ResourcesOf([]worker.ResourceConfig{{Name: "a"}, {Name: "nobody"}}); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Error(err)
	}
}
