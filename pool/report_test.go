package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// hang does not come back, in its way.
var hang = pool.Define("hang", hangAs)

func hangAs(_ context.Context, how string) (int64, error) {
	switch how {
	case "sleep":
		select {}
	case "spin":
		for n := 0; ; n++ {
			if n < 0 {
				return 0, nil
			}
		}
	case "crowd":
		for range 2000 {
			go func() { select {} }()
		}
		select {}
	case "stopped":
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {}
	}
	return 1, nil
}

// The error of a task past its hard deadline says where the task was. If the worker cannot answer,
// the error does not say it.
func TestDeadlineErrorHasStack(t *testing.T) {
	t.Parallel()
	local, err := pool.NewLocal(t.Context(), pool.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Terminate(0)
	for name, p := range map[string]*pool.Pool{"processes": newPool(t, pool.Options{Workers: 1}), "goroutines": local} {
		for _, how := range []string{"sleep", "spin", "crowd", "stopped"} {
			if name == "goroutines" && (how == "stopped" || how == "spin") {
				continue
			}
			told, err := stackOf(p, how, how != "stopped")
			if told == (how == "stopped") {
				t.Errorf("%s, %s: %v", name, how, err)
			}
			if n, err := pool.Apply(t.Context(), p, hang, "not"); n != 1 || err != nil {
				t.Errorf("%s, %s: afterwards: %d, %v", name, how, n, err)
			}
		}
	}
}

// stackOf has a task run for too long, and reports whether the error has its stack. On a busy
// machine a short time is over before the task has come to where it stays, so that it tries longer
// ones until that is as wanted.
func stackOf(p *pool.Pool, how string, want bool) (told bool, err error) {
	//clock: the time-out is the subject
	for limit := 20 * time.Millisecond; limit < time.Minute; limit *= 5 {
		_, err = pool.Apply(context.Background(), p, hang.With(pool.TaskOptions{HardDeadline: limit}), how)
		var late *pool.DeadlineError
		if !errors.As(err, &late) || late.Task != "hang" || len(late.Stack) > 16<<10 {
			return !want, fmt.Errorf("it ends with another error, or too long a stack: %w", err)
		}
		if told = strings.Contains(late.Stack, "pool_test.hangAs"); told == want {
			break
		}
	}
	return told, err
}

// panics in a resource, while it opens or closes, as the environment says.
const panicEnv = "SHMKIT_TEST_RESOURCE_PANIC"

var panicking = pool.DefineResource("panicking", func(context.Context, struct{}) (int, func() error, error) {
	panicIf("open")
	return 0, func() error { panicIf("close"); return nil }, nil
})

func panicIf(when string) {
	if os.Getenv(panicEnv) == when {
		deeper(60, when)
	}
}

// deeper panics below some calls, so that the stack is long.
func deeper(n int, when string) {
	if n == 0 {
		panic("ouch in " + when)
	}
	deeper(n-1, when)
}

// A resource that panics while it opens keeps its stack in the error of New, and one that does
// while it closes leaves it in the standard error of its worker.
func TestResourcePanicHasStack(t *testing.T) {
	t.Setenv(panicEnv, "open")
	for name, make := range map[string]func(context.Context, pool.Options) (*pool.Pool, error){"processes": pool.New, "goroutines": pool.NewLocal} {
		_, err := make(t.Context(), pool.Options{Workers: 1, Resources: []pool.AnyResource{panicking}})
		var p *pool.PanicError
		if !errors.As(err, &p) || p.Value != "ouch in open" || !strings.Contains(p.Stack, "pool_test.panicIf") {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
		if text := fmt.Sprint(err); !strings.Contains(text, `open resource "panicking": panicked: ouch in open`) || strings.Contains(text, "goroutine") {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv(panicEnv, "close")
	c := proctest.Start(t, closesPanicking)
	c.WaitOK()
	if text := c.Stderr(); !strings.Contains(text, "ouch in close") || !strings.Contains(text, "pool_test.panicIf") {
		t.Errorf("standard error: %s", text)
	}
}

var closesPanicking = proctest.Register("closes panicking", func([]string) {
	p, err := pool.New(context.Background(), pool.Options{Workers: 1, Resources: []pool.AnyResource{panicking}})
	if err != nil {
		panic(err)
	}
	p.Close()
})
