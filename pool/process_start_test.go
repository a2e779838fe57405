package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// initEnv has a new process spend time before main.
const initEnv = "SHMKIT_TEST_INIT"

func init() {
	if d, err := time.ParseDuration(os.Getenv(initEnv)); err == nil && d > 0 {
		time.Sleep(d) // a slow start is the subject
	}
}

// These roles are what a program does that has forgotten Main, when it is started again.
var (
	forgetsAndSleeps  = proctest.Register("forgets and sleeps", func([]string) { proctest.Forever() })
	forgetsAndReturns = proctest.Register("forgets and returns", func([]string) {})
	forgetsAndStarts  = proctest.Register("forgets and starts", func([]string) {
		p, err := process.Start(context.Background(), await, "", process.Options{})
		fmt.Fprintln(os.Stderr, "started another:", p, err)
	})
	forgetsAndPools = proctest.Register("forgets and pools", func([]string) {
		p, err := pool.New(context.Background(), pool.Options{Workers: 1})
		fmt.Fprintln(os.Stderr, "made a pool:", p != nil, err)
	})
)

// A54: a program that has forgotten pool.Main gets an error that says so within a second, and does
// not start itself again and again.
func TestProcessForgottenMain(t *testing.T) {
	for _, role := range []string{forgetsAndSleeps, forgetsAndReturns, forgetsAndStarts, forgetsAndPools} {
		var stderr bytes.Buffer
		began := time.Now()
		err := startError(t, await, "", process.Options{
			Env: []string{"SHMKIT_TEST_FORGETFUL=1", "SHMKIT_TEST_ROLE=" + role}, Stderr: &stderr,
		})
		if !errors.Is(err, pool.ErrNoMain) {
			t.Errorf("%s: %v", role, err)
		}
		t.Logf("%s: after %v", role, time.Since(began))
		if strings.Contains(stderr.String(), "started another") {
			t.Errorf("%s: %s", role, &stderr)
		}
	}
}

// A program that has never called Main is refused at once.
func TestStartWithoutMain(t *testing.T) {
	c := proctest.Command(t, withoutMain)
	c.Cmd.Env = append(c.Cmd.Env, "SHMKIT_TEST_FORGETFUL=1")
	c.Start()
	c.Expect(pool.ErrNoMain.Error())
	c.WaitOK()
}

var withoutMain = proctest.Register("without main", func([]string) {
	_, err := process.Start(context.Background(), await, "", process.Options{})
	proctest.Say("%v", err)
})

// A program with packages that take long to initialise is not taken for one without pool.Main.
func TestProcessSlowInit(t *testing.T) {
	p := startProcess(t, await, "", process.Options{Env: []string{initEnv + "=1200ms"}})
	if code := join(t, p); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Start ends when the process is killed meanwhile, or when its context ends: then there is no
// process.
func TestProcessKilledInStart(t *testing.T) {
	enough := errors.New("enough")
	for _, cancels := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		started := make(chan error)
		go func() {
			_, err := process.Start(ctx, checksum, make([]byte, 10<<20), process.Options{Env: []string{initEnv + "=1h", quickExit}})
			started <- err
		}()
		proctest.Eventually(t, proctest.Hang, func() bool { return len(process.Children()) == 1 }, "there is no process")
		proctest.Blocked(t, started)
		p := process.Children()[0]
		if cancels {
			cancel(enough)
		} else {
			p.Kill()
		}
		err := <-started
		if cancels && !errors.Is(err, enough) || !cancels && (err == nil || !strings.Contains(err.Error(), "killed by signal killed")) {
			t.Error(err)
		}
		if code := join(t, p); code != -9 || len(process.Children()) != 0 {
			t.Errorf("exit code %d, %d processes are left", code, len(process.Children()))
		}
		cancel(nil)
	}
}

// A context that has ended starts no process.
func TestStartUnderEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := process.Start(ctx, await, "", process.Options{}); p != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", p, err)
	}
}

// A matryoshka starts one more of itself, and so on, until there can be no more.
var matryoshka *pool.Task[int64, string]

func init() {
	matryoshka = pool.Define("matryoshka", func(ctx context.Context, _ int64) (string, error) {
		out := process.Current().Files[0]
		fmt.Fprintf(out, "%d\n", process.Current().Depth)
		p, err := process.Start(ctx, matryoshka, 0, process.Options{Files: []*os.File{out}})
		if err != nil {
			fmt.Fprintf(out, "%v, %v\n", errors.Is(err, pool.ErrTooDeep), err)
			return "", nil
		}
		return "", p.Join(ctx)
	})
}

// Processes nest down to a limit.
func TestProcessDepth(t *testing.T) {
	c, w := newChronicle(t)
	p := startProcess(t, matryoshka, 0, process.Options{Files: []*os.File{w}})
	w.Close()
	if code := join(t, p); code != 0 {
		t.Errorf("exit code %d", code)
	}
	lines := c.expectEnd()
	if len(lines) != pool.MaxDepth+1 {
		t.Fatalf("read %q", lines)
	}
	for i, line := range lines[:pool.MaxDepth] {
		if line != fmt.Sprint(i+1) {
			t.Errorf("depth %s, want %d", line, i+1)
		}
	}
	if last := lines[pool.MaxDepth]; !strings.HasPrefix(last, "true") || !strings.Contains(last, "8 deep") {
		t.Error(last)
	}
}

// A process with garbage for its depth starts no other.
func TestProcessGarbageDepth(t *testing.T) {
	t.Setenv("SHMKIT_POOL_DEPTH", "many")
	if err := startError(t, await, "", process.Options{}); !errors.Is(err, pool.ErrTooDeep) {
		t.Error(err)
	}
}

// BenchmarkProcessBegin is from Start to the first line of the task.
func BenchmarkProcessBegin(b *testing.B) {
	for range b.N {
		p := startProcess(b, await, "", process.Options{})
		b.StopTimer()
		join(b, p)
		b.StartTimer()
	}
}
