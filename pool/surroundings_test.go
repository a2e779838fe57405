package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// describe says in what its worker runs, and writes that to its file and its standard output, too.
var describe = pool.Define("describe", func(_ context.Context, _ int64) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s %s nice %d procs %d", dir, os.Getenv("COLOUR"), proctest.Stat(os.Getpid()).Nice, runtime.GOMAXPROCS(0))
	for _, f := range process.Current().Files {
		fmt.Fprintln(f, filepath.Base(f.Name()), text)
	}
	fmt.Println("out", text)
	return text, nil
})

// Each worker has what the options of the pool say, also one that replaces another after the caller
// has closed its files.
func TestWorkerSurroundings(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "notes"))
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	p := newPool(t, pool.Options{
		Workers: 1, MaxTasksPerWorker: 1, Stdout: &stdout,
		Env: []string{"COLOUR=blue", "GOMAXPROCS="}, Dir: dir, Files: []*os.File{file}, CPUs: []int{0}, Nice: 7,
	})
	file.Close()
	want := dir + " blue nice 7 procs 1"
	for range 3 {
		if got, err := pool.Apply(t.Context(), p, describe, 0); err != nil || got != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := stdout.String(), strings.Repeat("out "+want+"\n", 3); got != want {
		t.Errorf("standard output %q, want %q", got, want)
	}
	notes, err := os.ReadFile(filepath.Join(dir, "notes"))
	if want := strings.Repeat("notes "+want+"\n", 3); err != nil || string(notes) != want {
		t.Errorf("the file holds %q, %v; want %q", notes, err, want)
	}
}

func TestWorkerGOMAXPROCS(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	for _, c := range []struct{ option, workers, want int }{
		{3, 1, 3},
		{pool.MachineShare, 1, runtime.GOMAXPROCS(0)},
		{pool.MachineShare, 2, max(runtime.GOMAXPROCS(0)/2, 1)},
		{pool.MachineShare, 2 * runtime.GOMAXPROCS(0), 1},
	} {
		p := newPool(t, pool.Options{Workers: c.workers, GOMAXPROCS: c.option, Stdout: io.Discard})
		got, err := pool.Apply(t.Context(), p, describe, 0)
		if want := fmt.Sprintf(" procs %d", c.want); err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("GOMAXPROCS %d of %d workers: %q, %v; want %q", c.option, c.workers, got, err, want)
		}
		p.Close()
	}
}

func TestWorkerSurroundingsRefused(t *testing.T) {
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for what, o := range map[string]pool.Options{
		"Files[0]":      {Files: []*os.File{nil}},
		"Files[1]":      {Files: []*os.File{os.Stderr, closed}},
		"key=value":     {Env: []string{"COLOUR"}},
		"processor -1":  {CPUs: []int{-1}},
		"niceness 20":   {Nice: 20},
		"GOMAXPROCS":    {GOMAXPROCS: -2},
		"nonexistent":   {Dir: "/nonexistent"},
		"processors [9": {CPUs: []int{999}},
	} {
		o.Workers, o.Stderr = 1, io.Discard
		if _, err := pool.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v", what, err)
		}
	}
}
