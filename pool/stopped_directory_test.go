//go:build linux

package pool_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// roleInDirectory keeps the directory of the segment in descriptor 3 locked, until it hears
// something.
var roleInDirectory = proctest.Register("in-directory", func([]string) {
	seg := must(shm.FromFile(os.NewFile(3, "inherited")))
	_, _, err := segment.Of(seg).New(segment.Spec{Name: "half made", Kind: segment.KindRawArray, Type: "<B", Size: 1, Init: func([]byte) {
		proctest.Say("inside")
		proctest.Hear()
	}})
	proctest.Say("%v", err)
	proctest.Hear()
})

// While a process is stopped in the directory of a pool's segment, calls return when their contexts
// end, also calls with arguments that need memory. Nothing is lost by that.
func TestStoppedInTheDirectory(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	large := make([]byte, 100_000)
	if _, err := pool.Apply(t.Context(), p, echoBytes, large); err != nil {
		t.Fatal(err)
	}
	child := proctest.Command(t, roleInDirectory)
	child.Cmd.ExtraFiles = []*os.File{pool.SegmentFile(p)}
	child.Start()
	child.Expect("inside")

	ctx, cancel := context.WithCancelCause(t.Context())
	returned := make(chan error, 1)
	go func() {
		_, err := pool.Apply(ctx, p, echoBytes, large)
		returned <- err
	}()
	proctest.Eventually(t, time.Minute, func() bool { return pool.CallersWithoutRoom(p) == 1 }, "the caller waits")
	tired := errors.New("tired of it")
	cancel(tired)
	if err := <-returned; !errors.Is(err, tired) && !errors.Is(err, context.Canceled) {
		t.Errorf("it returned %v", err)
	}
	if n, err := pool.Apply(t.Context(), p, square, 3); n != 9 || err != nil {
		t.Errorf("a task without memory: %d, %v", n, err)
	}

	waiting := make(chan error, 1)
	go func() {
		_, err := pool.Apply(t.Context(), p, echoBytes, large)
		waiting <- err
	}()
	child.Send("go on")
	child.Expect("<nil>")
	if err := <-waiting; err != nil {
		t.Errorf("after it has gone on: %v", err)
	}
	child.Kill()
	wantNothingLeft(t, p)
}
