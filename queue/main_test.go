package queue

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// Sleeps are bounded by an hour, so that a wake-up that is lost hangs. Only the dead, which crash
// points kill between a change and its wake-up, may cost others a sleep.
func TestMain(m *testing.M) {
	if os.Getenv(wait.BackstopEnv) == "" && !crashpoint.Enabled {
		wait.SetBackstop(time.Hour)
	}
	proctest.Main(m)
}

var background = context.Background()

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

// newSegment makes an anonymous segment that is closed at the end of the test.
func newSegment(t testing.TB, o shm.Options) *shm.Segment {
	t.Helper()
	seg, err := shm.Anonymous(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	})
	return seg
}

// newQueue makes a queue in a segment of its own.
func newQueue[T any](t testing.TB, capacity int, o Options) *Queue[T] {
	t.Helper()
	q, err := NewQueue[T](newSegment(t, shm.Options{}), "q", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// mustPut puts the values without waiting.
func mustPut[T any](t testing.TB, q *Queue[T], values ...T) {
	t.Helper()
	for i, v := range values {
		if err := q.TryPut(v); err != nil {
			t.Fatalf("put %d of %d: %v", i+1, len(values), err)
		}
	}
}

// mustGet takes as many values as are wanted, without waiting.
func mustGet[T comparable](t testing.TB, q *Queue[T], want ...T) {
	t.Helper()
	for i, w := range want {
		v, err := q.TryGet()
		if err != nil || v != w {
			t.Fatalf("get %d of %d: %v, %v, want %v", i+1, len(want), v, err, w)
		}
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// bigSegment has room for many queues.
var bigSegment = shm.Options{Size: 256 << 20}

// namedQueue makes a queue in a segment that other processes can open by its path.
func namedQueue[T any](t testing.TB, capacity int, o Options) (q *Queue[T], path string) {
	t.Helper()
	path = proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	q, err = NewQueue[T](seg, "q", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return q, path
}

// reopen attaches to the segment once more, as another process would.
func reopen(t testing.TB, path string) *shm.Segment {
	t.Helper()
	seg, err := shm.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	return seg
}
