package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// writes is a destination that notes each Write.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(b))
	return len(b), nil
}

func (w *writes) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

// complain writes lines to the worker's standard error, and dies if there are none.
var complain = Define("stderr: complain", func(_ context.Context, lines int64) (int64, error) {
	for i := range lines {
		fmt.Fprintf(os.Stderr, "line %d of %d\n", i, lines)
	}
	if lines == 0 {
		fmt.Fprint(os.Stderr, "first\nlast words, ä, without an end")
		os.Exit(3)
	}
	return int64(os.Getpid()), nil
})

// What a worker writes comes line by line with its name and process id, in order.
func TestStderrOfAWorker(t *testing.T) {
	r := &writes{}
	p := startPool(t, Options{Workers: 1, Stderr: r})
	pid, err := Apply(t.Context(), p, complain, 500)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got := r.got()
	for i, line := range got {
		if want := fmt.Sprintf("[Worker-1 %d] line %d of 500\n", pid, i); line != want {
			t.Fatalf("got %q, want %q", line, want)
		}
	}
	if len(got) != 500 {
		t.Errorf("%d lines", len(got))
	}
}

// The last lines of a worker ride on the error of the task that killed it, and on what OnWorkerExit
// is told.
func TestLastLinesOfAWorker(t *testing.T) {
	r := &writes{}
	var exit WorkerExit
	p := startPool(t, Options{Workers: 1, Attempts: 1, Stderr: r, OnWorkerExit: func(e WorkerExit) {
		if e.Reason == "died" {
			exit = e
		}
	}})
	_, err := Apply(t.Context(), p, complain, 0)
	if err := p.Close(); err != nil { // OnWorkerExit is not called after it
		t.Fatal(err)
	}
	var died *WorkerDiedError
	if !errors.As(err, &died) {
		t.Fatal(err)
	}
	const last = "first\nlast words, ä, without an end"
	if died.Stderr != last || died.Worker != "Worker-1" || died.ExitCode != 3 || !strings.HasSuffix(err.Error(), ": last words, ä, without an end") {
		t.Errorf("%v: %+v", err, died)
	}
	if exit.Stderr != last || exit.PID != died.PID || exit.Name != "Worker-1" {
		t.Errorf("%+v", exit)
	}
	want := fmt.Sprintf("[Worker-1 %d] first\n|[Worker-1 %d] last words, ä, without an end\n", died.PID, died.PID)
	if got := strings.Join(r.got(), "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Two pools have a destination each.
func TestSinksOfPools(t *testing.T) {
	a, b := &writes{}, &writes{}
	p, q := startPool(t, Options{Workers: 1, Stderr: a}), startPool(t, Options{Workers: 1, Stderr: b})
	for n, p := range map[int64]*Pool{1: p, 2: q} {
		if _, err := Apply(t.Context(), p, complain, n); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.got()) != 1 || len(b.got()) != 2 {
		t.Errorf("%q, %q", a.got(), b.got())
	}
}

// roleComplainTwice runs two pools at once. Their workers write to its standard error.
var roleComplainTwice = proctest.Register("stderr-pools", func([]string) {
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			p, err := New(context.Background(), Options{Workers: 2})
			if err == nil {
				_, err = Map(context.Background(), p, complain.With(TaskOptions{Chunk: 1}), []int64{200, 200, 200, 200})
				err = errors.Join(err, p.Close())
			}
			if err != nil {
				fmt.Println(err)
				os.Exit(4)
			}
		})
	}
	all.Wait()
})

// Lines of the workers of two pools do not mix on one standard error, and none is lost.
func TestStderrOfTwoPools(t *testing.T) {
	c := proctest.Start(t, roleComplainTwice)
	c.WaitOK()
	lines := 0
	for line := range strings.Lines(c.Stderr()) {
		var worker string
		var pid, i int
		if n, err := fmt.Sscanf(line, "[Worker-%1s %d] line %d of 200\n", &worker, &pid, &i); n != 3 {
			t.Fatalf("%q: %v", line, err)
		}
		lines++
	}
	if lines != 2*4*200 {
		t.Errorf("%d lines", lines)
	}
}
