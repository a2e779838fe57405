package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

var errBoom = errors.New("boom")

func init() { pool.RegisterError("boom", errBoom) }

// explode ends what its caller does in one of the ways of A49.
func explode(how string) error {
	switch how {
	case "error":
		return fmt.Errorf("it went: %w", errBoom)
	case "panic":
		panic("ouch")
	case "nil": // a fault that Go makes a panic
		var p *int
		*p = 1
	case "goexit":
		runtime.Goexit()
	case "exit":
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(3)
	case "exit 0":
		os.Exit(0)
	case "segv": // a fault that Go makes no panic
		mem, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		*(*byte)(unsafe.Pointer(unsafe.SliceData(mem))) = 1
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "memory":
		// at the limit a thread for it could not start either, and that ends a program in other
		// words
		debug.SetGCPercent(-1)
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
			for i := 0; i < 1<<20; i += 4096 {
				all[len(all)-1][i] = 1
			}
		}
	}
	return nil
}

// A failingArg fails at one point of its way through a pool, in one way.
type failingArg struct {
	At  string // "send", "decode", "run", "encode", or "" for never
	How string
}

func (g failingArg) MarshalBinary() ([]byte, error) {
	if g.At == "send" && process.Parent() == nil || g.At == "encode" && process.Parent() != nil {
		if err := explode(g.How); err != nil {
			return nil, err
		}
	}
	return []byte(g.At + "|" + g.How), nil
}

func (g *failingArg) UnmarshalBinary(b []byte) error {
	g.At, g.How, _ = strings.Cut(string(b), "|")
	if g.At == "decode" && process.Parent() != nil || g.At == "receive" && process.Parent() == nil {
		return explode(g.How)
	}
	return nil
}

var throw = pool.Define("throw", func(_ context.Context, g failingArg) (failingArg, error) {
	if g.At == "run" {
		if err := explode(g.How); err != nil {
			return g, err
		}
	}
	return g, nil
})

// deadly are the ways to die that take the worker along, and what is seen of it.
var deadly = map[string]func(e *pool.WorkerDiedError) bool{
	"exit": func(e *pool.WorkerDiedError) bool {
		return e.ExitCode == 3 && e.Signal == "" && e.Stderr == "last words\n" && strings.HasSuffix(e.Error(), "exit code 3): last words")
	},
	"exit 0": func(e *pool.WorkerDiedError) bool { return e.ExitCode == 0 && e.Signal == "" && e.Stderr == "" },
	"segv": func(e *pool.WorkerDiedError) bool {
		return e.ExitCode == 2 && strings.Contains(e.Stderr, "SIGSEGV") && strings.Contains(e.Error(), "exit code 2): unexpected fault address")
	},
	"kill": func(e *pool.WorkerDiedError) bool {
		return e.ExitCode == -9 && e.Signal == "killed" && strings.Contains(e.Error(), "signal: killed")
	},
	"memory": func(e *pool.WorkerDiedError) bool {
		// Where a thread that the runtime starts reaches the limit first, libc says it.
		// The runtime may fault while it writes the stacks; see TestCrashInC.
		said := strings.Contains(e.Stderr, "memory") || strings.Contains(e.Stderr, "pthread_create failed")
		ended := e.ExitCode == 2 && strings.Contains(e.Error(), "exit code 2): ") || e.Signal == "segmentation fault"
		return ended && len(e.Stderr) <= 4096 && said
	},
}

// outcome checks the error of a failingArg that was sent with so many attempts, and says how many
// workers it has cost.
func outcome(t *testing.T, g failingArg, err error, attempts int) (kills int) {
	t.Helper()
	if check := deadly[g.How]; check != nil {
		var e *pool.WorkerDiedError
		if !errors.As(err, &e) || e.Task != "throw" || e.Attempts != attempts || !strings.HasPrefix(e.Worker, "Worker-") || e.PID == 0 || !check(e) {
			t.Errorf("%+v: %#v", g, err)
		}
		return attempts
	}
	var te *pool.TaskError
	var pe *pool.PanicError
	value := map[string]string{"panic": "ouch", "nil": "nil pointer dereference", "goexit": "runtime.Goexit was called"}[g.How]
	switch {
	case err == nil:
	case g.At == "run" && g.How == "error" && errors.As(err, &te) && te.Task == "throw" && err.Error() == "it went: boom" && errors.Is(err, errBoom):
		return 0
	case g.At != "run" && g.How == "error" && strings.Contains(err.Error(), `task "throw": `+g.At) && strings.Contains(err.Error(), "it went: boom") && errors.Is(err, errBoom):
		return 0
	case value != "" && errors.As(err, &pe) && pe.Task == "throw" && strings.Contains(pe.Value, value) && strings.Contains(pe.Stack, "pool_test.explode"):
		return 0
	}
	t.Errorf("%+v: %#v", g, err)
	return 0
}

// A49: each point of a task in its worker, with each way to die there: the outcome of the task, of
// the others, and of the pool.
func TestDeath(t *testing.T) {
	t.Parallel()
	const attempts = 2
	options := pool.Options{Workers: 2, Attempts: attempts, MemoryLimit: 256 << 20}
	hows := []string{"error", "panic", "nil", "goexit", "exit", "exit 0", "segv", "kill", "memory"}
	if race.Enabled { // its own memory counts, and has no end
		options.MemoryLimit, hows = 0, hows[:len(hows)-1]
	}
	p := newPool(t, options)
	for _, at := range []string{"decode", "run", "encode"} {
		for _, how := range hows {
			t.Run(at+"/"+how, func(t *testing.T) { testDeath(t, p, failingArg{at, how}, attempts) })
		}
	}
}

func testDeath(t *testing.T, p *pool.Pool, g failingArg, attempts int) {
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	before := p.Stats()
	others := make([]*pool.Future[int64], 20)
	var err error
	for i := range others {
		if others[i], err = pool.ApplyAsync(ctx, p, square, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = pool.Apply(ctx, p, throw, g)
	kills := outcome(t, g, err, attempts)
	for i, f := range others {
		if n, err := f.Get(ctx); err != nil || n != int64(i*i) {
			t.Errorf("another task: %d, %v", n, err)
		}
	}
	got, err := pool.Apply(ctx, p, throw, failingArg{"", "nothing"})
	if err != nil || got.How != "nothing" {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	wantNothingLeft(t, p)
	after := p.Stats()
	if killed := after.Killed - before.Killed; killed != kills {
		t.Errorf("%d workers died of it, not %d", killed, kills)
	}
	if retried := after.Retried - before.Retried; retried != max(kills-1, 0) {
		t.Errorf("%d retries, not %d", retried, max(kills-1, 0))
	}
}

// A49 in the parent, where only what does not end the program can be survived: argument and result.
func TestDeathInParent(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	for _, how := range []string{"error", "panic", "nil", "goexit"} {
		for name, run := range map[string]func(g failingArg) error{
			"Apply": func(g failingArg) error { _, err := pool.Apply(t.Context(), p, throw, g); return err },
			"Map": func(g failingArg) error {
				_, err := pool.Map(t.Context(), p, throw.With(pool.TaskOptions{Chunk: 3}), []failingArg{{}, g, {}})
				return err
			},
			"ApplyAsync": func(g failingArg) error {
				f, err := pool.ApplyAsync(t.Context(), p, throw, g)
				if err == nil {
					_, err = f.Get(t.Context())
				}
				return err
			},
			"MapAsync": func(g failingArg) error {
				_, err := pool.MapAsync(t.Context(), p, throw, []failingArg{{}, g, {}}).Get(t.Context())
				return err
			},
		} {
			for _, at := range []string{"send", "receive"} {
				t.Run(at+"/"+how+"/"+name, func(t *testing.T) { testDeathInParent(t, p, run, failingArg{at, how}) })
			}
		}
	}
}

func testDeathInParent(t *testing.T, p *pool.Pool, run func(failingArg) error, g failingArg) {
	ended := make(chan error, 1)
	go func() {
		err := errors.New("its goroutine has ended")
		defer func() { ended <- err }()
		err = run(g)
	}()
	select {
	case err := <-ended:
		want := map[string]string{"error": "it went: boom", "panic": "ouch", "nil": "nil pointer", "goexit": "oexit"}[g.How]
		if g.How == "goexit" && err != nil && err.Error() == "its goroutine has ended" {
			break // it is the caller's own, which asked for it
		}
		if err == nil || !strings.Contains(err.Error(), want) || g.How == "error" && !errors.Is(err, errBoom) {
			t.Errorf("%v", err)
		}
	case <-time.After(proctest.Hang):
		t.Fatal("it hangs")
	}
	got, err := pool.Map(t.Context(), p, throw, make([]failingArg, 5))
	if err != nil || len(got) != 5 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	wantNothingLeft(t, p) // the other arguments of Map may have been running when it returned
	if s := p.Stats(); s.Killed != 0 {
		t.Errorf("%+v", s)
	}
}
