package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

var errRefused = errors.New("refused")

// trouble makes trouble of a kind, or none.
var trouble = Define("events: trouble", func(ctx context.Context, kind string) (int64, error) {
	switch kind {
	case "exit":
		os.Exit(3)
	case "error":
		return 0, errRefused
	case "hang":
		select {}
	}
	return 1, nil
})

var refuses = DefineResource("events: refuses", func(context.Context, struct{}) (int, func() error, error) { return 0, nil, errRefused })

// startPool starts a pool that is closed with the test at the latest.
func startPool(t *testing.T, o Options) *Pool {
	t.Helper()
	p, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// eventually fails the test unless cond comes true.
func eventually(t *testing.T, cond func() bool, message string) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, cond, message)
}

// A poolEvents is something that happens to a pool, and the events that it shows, each a pattern
// without the time.
type poolEvents struct {
	options Options
	happen  func(t *testing.T, p *Pool)
	want    []string
}

var eventsOfPools = map[string]poolEvents{
	"quarantine": {Options{Workers: 1, Attempts: 2}, func(t *testing.T, p *Pool) {
		var died *WorkerDiedError
		if _, err := Apply(t.Context(), p, trouble, "exit"); !errors.As(err, &died) {
			t.Error(err)
		}
		Apply(t.Context(), p, trouble, "") // by the replacement
	}, []string{
		`INFO msg="worker started" process=main worker=Worker-1 pid=\d+`,
		`DEBUG msg="worker ready" process=main worker=Worker-1`,
		`WARN msg="worker died" process=main worker=Worker-1 pid=\d+ code=3 signal=""`,
		`WARN msg="task runs again: its worker died" process=main task="events: trouble" kills=1`,
		`INFO msg="worker replaced" process=main worker=Worker-1 pid=\d+ before=\d+`,
		`ERROR msg="task quarantined: it kills its workers" process=main task="events: trouble" kills=2`,
		`INFO msg="worker ended" process=main worker=Worker-1 pid=\d+ reason=closed`,
		`INFO msg="pool closed" process=main`,
	}},
	"chunk": {Options{Workers: 1}, func(t *testing.T, p *Pool) {
		Map(t.Context(), p, trouble.With(TaskOptions{Chunk: 3}), []string{"", "exit", ""})
	}, []string{`WARN msg="tasks of a chunk run again one by one: their worker died" process=main task="events: trouble" count=3`}},
	"deadline": {Options{Workers: 1}, func(t *testing.T, p *Pool) {
		//clock: the time-out is the subject
		_, err := Apply(t.Context(), p, trouble.With(TaskOptions{HardDeadline: 20 * time.Millisecond}), "hang")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}, []string{
		`WARN msg="worker killed: its task is past the hard deadline" process=main worker=Worker-1 task="events: trouble" limit=20ms`,
		`WARN msg="worker died" process=main worker=Worker-1 pid=\d+ code=-9 signal=killed`,
	}},
	"retry": {Options{Workers: 1}, func(t *testing.T, p *Pool) {
		again := func(attempt int, _ error) (bool, time.Duration) { return attempt < 2, time.Millisecond }
		Apply(t.Context(), p, trouble.With(TaskOptions{Retry: again}), "error")
	}, []string{`INFO msg="task runs again: it has failed" process=main task="events: trouble" failures=1 after=1ms error=refused`}},
	"worn": {Options{Workers: 1, MaxTasksPerWorker: 2}, func(t *testing.T, p *Pool) {
		for range 3 {
			Apply(t.Context(), p, trouble, "")
		}
	}, []string{
		`INFO msg="worker ended" process=main worker=Worker-1 pid=\d+ reason=recycled limit=MaxTasksPerWorker`,
		`INFO msg="worker replaced" process=main worker=Worker-1 pid=\d+ before=\d+`,
	}},
	"large": {Options{Workers: 1, RecycleMemory: 1}, func(t *testing.T, p *Pool) {
		eventually(t, func() bool { return p.Stats().Recycled > 0 }, "a worker is recycled")
	}, []string{`INFO msg="worker ended" process=main worker=Worker-1 pid=\d+ reason=recycled limit=RecycleMemory`}},
	//clock: the time-out is the subject
	"idle": {Options{Workers: 1, IdleTimeout: time.Millisecond}, func(t *testing.T, p *Pool) {
		eventually(t, func() bool { return p.core.Asleep(0) }, "the worker is asleep")
		Apply(t.Context(), p, trouble, "")
	}, []string{`INFO msg="worker ended" process=main worker=Worker-1 pid=\d+ reason=idle`}},
	"retired": {Options{Workers: 2}, func(t *testing.T, p *Pool) {
		if err := p.Resize(1); err != nil {
			t.Error(err)
		}
		eventually(t, func() bool { return len(p.Stats().Workers) == 1 }, "the second worker has ended")
	}, []string{`INFO msg="worker ended" process=main worker=Worker-2 pid=\d+ reason=retired`}},
	"label": {Options{Workers: 1, Label: "thumbs"}, func(t *testing.T, p *Pool) {
		Apply(t.Context(), p, trouble, "error")
	}, []string{
		`INFO msg="worker started" process=main worker=thumbs/Worker-1 pid=\d+ pool=thumbs`,
		`DEBUG msg="worker ready" process=main worker=thumbs/Worker-1 pool=thumbs`,
		`INFO msg="pool closed" process=main pool=thumbs`,
	}},
	"cancelled": {Options{Workers: 1}, func(t *testing.T, p *Pool) {
		p.core.EndBy(context.Canceled)
	}, []string{`INFO msg="pool closed" process=main cause="context canceled"`}},
	"failed": {Options{Workers: 1}, func(t *testing.T, p *Pool) {
		p.core.FailBy(errRefused)
	}, []string{`ERROR msg="pool ended" process=main error="pool: refused"`}},
}

// The parent shows what happens to its workers and tasks.
func TestEventsOfAPool(t *testing.T) {
	for name, test := range eventsOfPools {
		t.Run(name, func(t *testing.T) {
			b := eventsTo(t, slog.LevelDebug)
			p := startPool(t, test.options)
			test.happen(t, p)
			p.Close()
			LogTo(nil)
			for _, want := range test.want {
				if !regexp.MustCompile(`(?m)^time=\S+ level=` + want + `$`).MatchString(b.String()) {
					t.Errorf("no event %s in\n%s", want, b)
				}
			}
		})
	}
}

// roleShowPool: LEVEL. It runs a pool, and shows events from that level on.
var roleShowPool = proctest.Register("events-pool", func(args []string) {
	var level slog.Level
	if level.UnmarshalText([]byte(args[0])) != nil {
		os.Exit(4)
	}
	LogToStderr(level)
	p, err := New(context.Background(), Options{Workers: 1, Resources: []AnyResource{refuses}})
	if err == nil {
		p.Close()
		os.Exit(5)
	}
	proctest.Say("%v", errors.Is(err, ErrClosed))
})

// A worker shows its own events, at the level that it has inherited, and its lines come with its
// name.
func TestEventsOfWorkers(t *testing.T) {
	for level, want := range map[string]string{
		"DEBUG": "INFO worker started\nERROR resource cannot be opened\nINFO worker ended\nERROR pool ended\n",
		"INFO":  "INFO worker started\nERROR resource cannot be opened\nINFO worker ended\nERROR pool ended\n",
		"WARN":  "ERROR resource cannot be opened\nERROR pool ended\n",
	} {
		c := proctest.Start(t, roleShowPool, level)
		c.Expect("false")
		c.WaitOK()
		text := c.Stderr()
		var got strings.Builder
		line := regexp.MustCompile(`(?m)^(\[\S+ \d+\] )?time=\S+ level=(\S+) msg="([^"]*)" process=(\S+)`)
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			fmt.Fprintf(&got, "%s %s\n", m[2], m[3])
			if want := "main"; m[1] == "" && m[4] != want || m[1] != "" && m[4] != "Worker-1" {
				t.Errorf("by the wrong process: %q", m[0])
			}
		}
		if got.String() != want {
			t.Errorf("%s: got\n%s, want\n%s, of\n%s", level, &got, want, text)
		}
		if !strings.Contains(text, `[Worker-1 `) || !strings.Contains(text, `process=Worker-1 resource="events: refuses"`) {
			t.Errorf("%s: the worker shows nothing:\n%s", level, text)
		}
	}
}
