//go:build crashtest

package queue

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A close that dies is complete or has not happened; no sleeper sleeps on.
func TestCrashInClose(t *testing.T) {
	proctest.Sweep(t, 1, func(p *proctest.Crash) {
		q, path := namedQueue[checked](t, 1, Options{})
		results := make(chan error, 2)
		go func() {
			_, err := q.Get(background)
			results <- err
		}()
		asleep.Await(t, q.o.Seg, 1)
		p.Start(roleCrash, path, "close").Expect("ready")
		p.Wait()
		if !q.Closed() {
			t.Fatalf("not closed after %v", p.Points())
		}
		wantErr(t, proctest.Ends(t, results, fmt.Sprint("the consumer goes on after ", p.Points())), ErrClosed)
	})
}

// A put that is complete before the close is delivered, also to a consumer that had looked just
// before both.
func TestPutAndCloseAfterTheLook(t *testing.T) {
	q := newQueue[int64](t, 2, Options{})
	did := false
	crashpoint.Trace(func(name string) {
		if name == "queue.found.empty" && !did {
			did = true
			mustPut(t, q, 7)
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	defer crashpoint.Trace(nil)
	mustGet(t, q, 7)
	_, err := q.TryGet()
	wantErr(t, err, ErrClosed)
	if !did {
		t.Error("the point was not passed")
	}
}
