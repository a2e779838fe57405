package event

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// eventsTo shows events of this process in the test.
func eventsTo(t *testing.T, level slog.Level) *bytes.Buffer {
	var b bytes.Buffer
	before := destination.Load()
	t.Cleanup(func() { destination.Store(before) })
	To(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level}), false)
	return &b
}

func TestEventsAreShown(t *testing.T) {
	b := eventsTo(t, slog.LevelInfo)
	Show(slog.LevelDebug, "hidden")
	Show(slog.LevelWarn, "worker died", slog.String("worker", "Worker-2"), slog.Int("pid", 12), slog.Any("error", errors.New("bad end")))
	t.Cleanup(func() { child.SetCurrent(nil) })
	child.SetCurrent(&child.Info{Name: "Worker-7"})
	Show(slog.LevelInfo, "resource opened")
	To(nil, false)
	Show(slog.LevelError, "nobody looks")
	_, first, _ := strings.Cut(b.String(), " ")
	want := `level=WARN msg="worker died" process=main worker=Worker-2 pid=12 error="bad end"`
	if lines := strings.Split(b.String(), "\n"); len(lines) != 3 || !strings.HasPrefix(first, want+"\n") ||
		!strings.HasSuffix(lines[1], `level=INFO msg="resource opened" process=Worker-7`) {
		t.Errorf("%q", b.String())
	}
}

// An event that is not shown takes no memory.
func TestHiddenEventsAreFree(t *testing.T) {
	err := errors.New("bad")
	pid := os.Getpid()
	show := func() {
		Show(slog.LevelInfo, "worker died", slog.String("worker", "Worker-2"), slog.Int("pid", pid), slog.Any("error", err))
	}
	if n := testing.AllocsPerRun(100, show); n != 0 {
		t.Errorf("%v allocations without a handler", n)
	}
	eventsTo(t, slog.LevelError)
	if n := testing.AllocsPerRun(100, show); n != 0 {
		t.Errorf("%v allocations below the level", n)
	}
}

// roleShowEvents: [LEVEL]. It shows events from that level on, or from the one that it has
// inherited, and has a child do the same.
var roleShowEvents = proctest.Register("show-events", func(args []string) {
	if err := Inherit(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if args[0] == "child" {
		child.SetCurrent(&child.Info{Name: "Process-1"})
	} else if args[0] != "" {
		var level slog.Level
		if level.UnmarshalText([]byte(args[0])) != nil {
			os.Exit(3)
		}
		ToStderr(level)
	}
	Show(slog.LevelDebug, "debug")
	Show(slog.LevelInfo, "info")
	Show(slog.LevelWarn+1, "worse")
	if args[0] == "child" {
		return
	}
	cmd := proctest.Exec("show-events", "child")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		os.Exit(4)
	}
})

// The level is inherited by processes that are started later; and the environment alone is enough.
func TestLogLevelIsInherited(t *testing.T) {
	for _, test := range []struct{ env, level, want string }{
		{"", "", ""},
		{"", "INFO", "main info,main worse,Process-1 info,Process-1 worse,"},
		{"", "WARN+1", "main worse,Process-1 worse,"},
		{"debug", "", "main debug,main info,main worse,Process-1 debug,Process-1 info,Process-1 worse,"},
		{"INFO", "ERROR", ""}, // the program has the last word
	} {
		c := proctest.Command(t, roleShowEvents, test.level)
		c.Cmd.Env = append(c.Cmd.Env, levelEnv+"="+test.env)
		c.Start()
		c.WaitOK()
		var got strings.Builder
		for line := range strings.Lines(c.Stderr()) {
			var at, level, msg, process string
			if _, err := fmt.Sscanf(line, "time=%s level=%s msg=%s process=%s", &at, &level, &msg, &process); err != nil {
				t.Fatalf("%v: %q", err, line)
			}
			fmt.Fprintf(&got, "%s %s,", process, msg)
		}
		if got.String() != test.want {
			t.Errorf("%+v: %q", test, got.String())
		}
	}
	c := proctest.Command(t, roleShowEvents, "")
	c.Cmd.Env = append(c.Cmd.Env, levelEnv+"=loud")
	c.Start()
	c.WaitOK()
	if text := c.Stderr(); !strings.Contains(text, `pool: SHMKIT_LOG="loud": `) || strings.Contains(text, "level=") {
		t.Errorf("%q", text)
	}
}

func BenchmarkEvent(b *testing.B) {
	b.Run("off", func(b *testing.B) {
		for b.Loop() {
			Show(slog.LevelInfo, "worker died", slog.String("worker", "Worker-2"), slog.Int("pid", 12))
		}
	})
}
