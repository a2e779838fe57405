//go:build crashtest

package queue

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A close that dies is complete or has not happened; no sleeper sleeps on.
func TestCrashInClose(t *testing.T) {
	for n := 1; ; n++ {
		q, path := namedQueue[checked](t, 1, Options{})
		results := make(chan error, 2)
		go func() {
			_, err := q.Get(background)
			results <- err
		}()
		asleep.Await(t, q.o.Seg, 1)
		child := proctest.Start(t, roleCrash, path, "close", "kill", strconv.Itoa(n))
		child.Expect("ready")
		survived := child.Wait().Success()
		if !q.Closed() {
			t.Fatalf("not closed after %v", passed(t, path))
		}
		wantErr(t, proctest.Ends(t, results, fmt.Sprint("the consumer goes on after ", passed(t, path))), ErrClosed)
		if survived {
			break
		}
	}
}

// A put that is complete before the close is delivered, also to who had looked just before both.
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
