package process_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

var idle = pool.Define("process_test: idle", func(context.Context, int64) (int64, error) { return 0, nil })

// The start and the end of a process are shown.
func TestEventsOfAProcess(t *testing.T) {
	var b bytes.Buffer
	pool.LogTo(slog.NewTextHandler(&b, nil))
	defer pool.LogTo(nil)
	p, err := process.Start(t.Context(), idle, 0, process.Options{Name: "child"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `(?s)^time=\S+ level=INFO msg="process started" process=main name=child pid=\d+
time=\S+ level=INFO msg="process ended" process=main name=child pid=\d+ code=0 signal=""
$`
	if !regexp.MustCompile(want).MatchString(b.String()) {
		t.Errorf("%s", &b)
	}
}
