package pool

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/worker"
)

// eventsTo shows events of this process in the test.
func eventsTo(t *testing.T, level slog.Level) *bytes.Buffer {
	var b bytes.Buffer
	LogTo(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level}))
	t.Cleanup(func() { LogTo(nil) })
	return &b
}

// The resources of a worker tell of themselves.
func TestEventsOfResources(t *testing.T) {
	b := eventsTo(t, slog.LevelDebug)
	var l lifeOf
	rs := []AnyResource{
		define(t, &l, "db", 0, fine, fine),
		define(t, &l, "net", 0, fine, func() error { return os.ErrClosed }),
		define(t, &l, "bad", 0, func() error { panic("boom") }, fine),
	}
	if _, err := worker.OpenResources(t.Context(), bound(t, rs...)); err == nil {
		t.Error("bad opens")
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		_, line, _ = strings.Cut(line, " ")
		got = append(got, line)
	}
	want := `level=DEBUG msg="resource opened" process=main resource=db
level=DEBUG msg="resource opened" process=main resource=net
level=ERROR msg="resource cannot be opened" process=main resource=bad error="pool: open resource \"bad\": panicked: boom"
level=ERROR msg="resource cannot be closed" process=main resource=net error="pool: close resource \"net\": file already closed"
level=DEBUG msg="resource closed" process=main resource=db
`
	if strings.Join(got, "") != want {
		t.Errorf("%s", b.String())
	}
}
