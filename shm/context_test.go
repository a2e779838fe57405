//go:build linux

package shm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// roleDirectory keeps the directory of the segment args[0] locked.
var roleDirectory = proctest.Register("directory", func(args []string) {
	seg := need(shm.Open(args[0]))
	segment.Of(seg).New(segment.Spec{Name: "half made", Kind: segment.KindRawArray, Type: "<B", Size: 1, Init: func([]byte) {
		proctest.Say("inside")
		proctest.Hear()
	}})
})

// While a process is stopped in the directory, everything that needs it returns when its context
// ends.
func TestContextsOfTheDirectory(t *testing.T) {
	seg := newSegment(t, small)
	segment.Of(seg).SetPatience(time.Hour, 0)
	need(shm.NewBool(seg, "there", true))
	child := proctest.Start(t, roleDirectory, seg.Path())
	child.Expect("inside")

	calls := map[string]func(seg *shm.Segment) error{
		"RemoveObject": func(seg *shm.Segment) error { return seg.RemoveObject("there") },
		"Check":        (*shm.Segment).Check,
	}
	for _, m := range makers {
		calls["New"+m.kind] = func(seg *shm.Segment) error { _, err := m.new(seg, "new"); return err }
	}
	for name, call := range calls {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		wantErr(t, call(seg.WithContext(ended)), context.Canceled, seg.Path(), "the directory")

		ctx, end := context.WithCancelCause(t.Context())
		returned := make(chan error, 1)
		go func() { returned <- call(seg.WithContext(ctx)) }()
		proctest.Eventually(t, time.Minute, func() bool { return waitsForDirectory(seg) }, name+" waits for the directory")
		tired := errors.New("tired of it")
		end(tired)
		wantErr(t, <-returned, tired, seg.Path(), "the directory, which is locked by")
	}
	child.Kill()
	wantOK(t, seg.Check())
}

// waitsForDirectory says that a process waits for the directory's lock.
func waitsForDirectory(seg *shm.Segment) (waits bool) {
	segment.Of(seg).Party().Waits.All(func(p lock.Wait) bool {
		waits = p.Target == lock.NewTarget(lock.RoleDirectory, 0, 0)
		return !waits
	})
	return waits
}

// Without a context a segment has that of the background, and a handle leads to a segment without
// one.
func TestSegmentContext(t *testing.T) {
	seg := newSegment(t, small)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	limited := seg.WithContext(ctx)
	if seg.Context() != context.Background() || limited.Context() != ctx {
		t.Error("contexts are mixed up")
	}
	n := need(shm.NewInt64(limited, "n", 0)) // nothing is in the way
	if n.Segment().Context() != context.Background() || limited.Path() != seg.Path() {
		t.Error("the handle keeps the context")
	}
}
