//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
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

// roleByteHolder keeps byte args[1] of the file args[0] locked, as a process does that is stopped
// while it clears the process table, or removes the segment.
var roleByteHolder = proctest.Register("byte holder", func(args []string) {
	f := need(os.OpenFile(args[0], os.O_RDWR, 0))
	if ok, err := mapping.TryLockByte(f, need(strconv.ParseInt(args[1], 10, 64))); err != nil || !ok {
		panic(fmt.Sprint(ok, err))
	}
	proctest.Say("locked")
	proctest.Hear()
	must(f.Close())
})

// While a process is stopped that opens or removes a segment, everything else that does returns
// when its context ends, and leaves the segment as it was.
func TestContextsOfOpening(t *testing.T) {
	path := newPath(t)
	seg := need(shm.Create(path, small))
	segment.Of(seg).SetPatience(time.Hour, 0)
	closing := func(seg *shm.Segment, err error) error {
		if err != nil {
			return err
		}
		return seg.Close()
	}
	open := func(ctx context.Context) error { return closing(shm.OpenContext(ctx, path)) }
	openOrCreate := func(ctx context.Context) error { return closing(shm.OpenOrCreateContext(ctx, path, small)) }
	remove := func(ctx context.Context) error { return shm.RemoveContext(ctx, path) }
	attached := func(ctx context.Context) error { return seg.WithContext(ctx).Remove() }

	c := proctest.Start(t, roleByteHolder, path, "129")
	c.Expect("locked")
	endsWithContext(t, "Segment.Remove", attached, path)
	endsWithContext(t, "RemoveContext of an open segment", remove, path)
	c.Kill()
	wantOK(t, seg.Close())
	c = proctest.Start(t, roleByteHolder, path, "128")
	c.Expect("locked")
	endsWithContext(t, "OpenContext", open, path)
	endsWithContext(t, "OpenOrCreateContext", openOrCreate, path)
	endsWithContext(t, "RemoveContext", remove, path)
	c.Send("go on")
	c.WaitOK()
	for _, call := range []func(context.Context) error{open, openOrCreate, remove} {
		wantOK(t, call(t.Context()))
	}
}

func endsWithContext(t *testing.T, name string, call func(context.Context) error, path string) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, call(ended), context.Canceled, path, "wait for byte")
	ctx, end := context.WithCancelCause(t.Context())
	returned := make(chan error, 1)
	done := proctest.MustBlock(t, func() { returned <- call(ctx) })
	tired := errors.New("tired of " + name)
	end(tired)
	<-done
	wantErr(t, <-returned, tired, path, "wait for byte", "which another process has locked")
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
