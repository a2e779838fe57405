package pool_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A pool that ends by itself while a caller waits for room in its queue refuses the call. No call
// hangs.
func TestPoolFailsWithFullBacklog(t *testing.T) {
	newEventLog(t)
	t.Setenv(suicideEnv, "0")
	p := newPool(t, pool.Options{Workers: 1, Backlog: 8, Resources: []pool.AnyResource{suicidal}})
	t.Setenv(suicideEnv, "1000000")
	ended := make(chan error, 1)
	go func() {
		for n := int64(0); ; n++ {
			if _, err := pool.ApplyAsync(context.Background(), p, throw, failingArg{"run", "kill"}); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		if !strings.Contains(err.Error(), "were killed before they took tasks") {
			t.Error(err)
		}
	case <-time.After(proctest.Hang):
		t.Error("it hangs")
	}
}

// Workers are killed before they take tasks: they are replaced, and New and the tasks only wait for
// it.
func TestDeathDuringStart(t *testing.T) {
	d := newEventLog(t)
	t.Setenv(suicideEnv, "8")
	p := newPool(t, pool.Options{Workers: 2, Resources: []pool.AnyResource{suicidal}})
	if n, err := pool.Apply(t.Context(), p, square, 7); n != 49 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if s := p.Stats(); s.Killed != 8 {
		t.Errorf("%d workers died, not 8", s.Killed)
	}
	if n := d.count("born"); n != 10 {
		t.Errorf("%d workers were started, not 10", n)
	}
}

// suicidal is a resource of which the first so many workers die.
var suicidal = pool.DefineResource("suicidal", func(context.Context, struct{}) (int, func() error, error) {
	note("born")
	if birth() <= suicides() {
		syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	}
	return 0, nil, nil
})

// birth is the place of this process among those that were born, from 1: the order of the lines,
// since two processes may be born before either looks.
func birth() int {
	b, err := os.ReadFile(eventLogPath())
	if err != nil {
		panic(err)
	}
	own := strconv.Itoa(os.Getpid())
	n := 0
	for line := range strings.Lines(string(b)) {
		pid, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if what != "born" {
			continue
		}
		if n++; pid == own {
			break
		}
	}
	return n
}

// Without an end, that is an error, not an endless respawn.
func TestEndlessDeathDuringStart(t *testing.T) {
	d := newEventLog(t)
	t.Setenv(suicideEnv, "1000000")
	_, err := pool.New(t.Context(), pool.Options{Workers: 2, Resources: []pool.AnyResource{suicidal}})
	if err == nil || !strings.Contains(err.Error(), "21 workers in a row were killed before they took tasks") || d.count("born") > 100 {
		t.Errorf("%d workers were started: %v", d.count("born"), err)
	}
}
