package pipe

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Sleeps are bounded by an hour, so that a wake-up that is lost hangs. Only a process that a crash
// point kills between a change and its wake-up may cost others a sleep.
func TestMain(m *testing.M) {
	if os.Getenv(wait.BackstopEnv) == "" && !crashpoint.Enabled {
		wait.SetBackstop(time.Hour)
	}
	pool.Main()
	proctest.Main(m)
}

var background = context.Background()

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

// bigSegment has room for many pipes.
var bigSegment = shm.Options{Size: 256 << 20}

var policies = map[string]shmsync.WaitPolicy{
	"adaptive": shmsync.Adaptive, "park": shmsync.Park, "spin": shmsync.Spin,
}

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

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// kill kills a child that still runs.
func kill(t testing.TB, child *proctest.Child) {
	t.Helper()
	state := child.Kill()
	if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("%v, want death by SIGKILL", state)
	}
}
