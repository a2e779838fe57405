package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// A setting is an argument that does not fit into the environment.
type setting struct {
	Name  string
	Table []string
}

var configured = pool.DefineResource("configured", func(_ context.Context, s setting) (setting, func() error, error) {
	if s.Name == "bad" {
		return s, nil, errors.New("refused")
	}
	return s, nil, nil
})

var numbered = pool.DefineResource("numbered", func(_ context.Context, n int) (int, func() error, error) { return n + 1, nil, nil })

// askConfigured tells the name, the number, and how often the table says xxxx.
var askConfigured = pool.Define("ask configured", func(ctx context.Context, _ int) (string, error) {
	s, n := configured.Get(ctx), 0
	for _, text := range s.Table {
		if text == "xxxx" {
			n++
		}
	}
	return fmt.Sprintf("%s, %d, %d", s.Name, numbered.Get(ctx), n), nil
})

// Each pool opens its resources with its own arguments, of any size; a worker that replaces another
// one as well.
func TestResourceArguments(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, newPool makePool) {
		for i, size := range []int{0, 1, 10_000, 3_000_000} { // the last one is larger than Memory
			in := setting{fmt.Sprint("pool ", i), slices.Repeat([]string{"xxxx"}, size)}
			with := configured.With(in)
			for k := range in.Table {
				in.Table[k] = "changed later"
			}
			p := newPool(pool.Options{Workers: 1, MaxTasksPerWorker: 1, Memory: 8 << 20, Resources: []pool.AnyResource{with, numbered.With(i)}})
			for range 2 {
				got, err := pool.Apply(t.Context(), p, askConfigured, 0)
				if want := fmt.Sprintf("pool %d, %d, %d", i, i+1, size); err != nil || got != want {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
			}
		}
		p := newPool(pool.Options{Workers: 1, Resources: []pool.AnyResource{configured, numbered}})
		if got, err := pool.Apply(t.Context(), p, askConfigured, 0); err != nil || got != ", 1, 0" {
			t.Errorf("without arguments: %q, %v", got, err)
		}
	})
}

var holding = pool.DefineResource("holding", func(_ context.Context, v any) (any, func() error, error) { return v, nil, nil })

// An argument that cannot travel, or that does not open the resource, is an error of New with the
// resource's name.
func TestResourceArgumentErrors(t *testing.T) {
	for want, rs := range map[string][]pool.AnyResource{
		`"holding": send the argument`: {holding.With(func() {})},
		`"configured": refused`:        {configured.With(setting{Name: "bad"})},
		`"configured" is listed twice`: {configured, configured.With(setting{})},
	} {
		p, err := pool.NewLocal(t.Context(), pool.Options{Workers: 1, Resources: rs})
		wantWords(t, err, want)
		if err == nil {
			p.Close()
		}
	}
	func() {
		defer func() { wantWords(t, fmt.Errorf("%v", recover()), "pool.DefineResource", `"bad argument"`, "chan int") }()
		pool.DefineResource("bad argument", func(context.Context, chan int) (int, func() error, error) { return 0, nil, nil })
	}()
}

// A writing says what a finalizer is to write, and where.
type writing struct {
	File     string
	Priority int
	Text     string
	How      string
}

var journal = pool.DefineResource("journal", func(_ context.Context, file string) (string, func() error, error) {
	return file, func() error { return jotDown(file, "resource") }, nil
})

func jotDown(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, text)
	return errors.Join(err, f.Close())
}

var writeLater = pool.Define("write later", func(ctx context.Context, w writing) (bool, error) {
	f := pool.Finalize(ctx, w.Priority, w.Text, func() error {
		err := jotDown(w.File, w.Text)
		switch w.How {
		case "fail":
			err = errors.New("failed on purpose")
		case "panic":
			panic("on purpose")
		case "add": // while the worker ends
			pool.Finalize(ctx, 100, "added", func() error { return jotDown(w.File, "added") })
		}
		return err
	})
	switch w.How {
	case "cancel":
		return f.Cancel() && !f.Cancel() && f.Run() == nil, nil
	case "now":
		first, second := f.Run(), f.Run()
		return first == nil && second == nil && !f.Cancel(), nil
	}
	return true, nil
})

// What tasks have added is called once, when their worker ends: the highest priority first, of the
// same the last that was added, and all before the resources are closed. An error or a panic keeps
// none of the others from it.
func TestFinalize(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		file := filepath.Join(t.TempDir(), "journal")
		var said strings.Builder
		p := newPool(pool.Options{Workers: 1, Resources: []pool.AnyResource{journal.With(file)}, Stderr: &said})
		for _, w := range []writing{
			{file, 0, "a", ""}, {file, 0, "b", "fail"}, {file, 5, "c", ""}, {file, -5, "d", "panic"}, {file, 0, "e", "add"},
			{file, 9, "f", "cancel"}, {file, 9, "g", "now"},
		} {
			if ok, err := pool.Apply(t.Context(), p, writeLater, w); err != nil || !ok {
				t.Errorf("%+v: %v, %v", w, ok, err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if want := "g\nc\ne\nadded\nb\na\nd\nresource\n"; err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	})
}

// It is also called when the worker is replaced because of its age.
func TestFinalizeOfAReplacedWorker(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	p := newPool(t, pool.Options{Workers: 1, MaxTasksPerWorker: 2})
	for i := range 4 {
		if _, err := pool.Apply(t.Context(), p, writeLater, writing{file, i, fmt.Sprint(i), ""}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "1\n0\n3\n2\n" {
		t.Errorf("%q, %v", got, err)
	}
	func() {
		defer func() { wantWords(t, fmt.Errorf("%v", recover()), "pool.Finalize", "not that of a task") }()
		pool.Finalize(t.Context(), 0, "nobody's", func() error { return nil })
	}()
}
