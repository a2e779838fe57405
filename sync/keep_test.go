//go:build linux

package shmsync_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// A wait keeps its object, though its handle is not used after it: when others remove the object
// meanwhile, its memory does not become another one's before the wait is over.
func TestWaitKeepsObject(t *testing.T) {
	// its wait outlasts the other process
	for _, name := range []string{"Event", "Cond", "Semaphore", "WaitGroup"} {
		t.Run(name, func(t *testing.T) {
			seg := newSegment(t)
			holder := proctest.Start(t, blockedHolder, seg.Path(), name)
			holder.Expect("ready")
			holder.Kill()
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- heldObjects[name].wait(seg, ctx) }()
			reportOf(t, seg, 1)
			must(seg.RemoveObject("x"))
			for range 3 {
				runtime.GC()
				proctest.Stagger(2 * time.Millisecond) // for cleanups
			}
			if r := must1(segment.Of(seg).Check()); r.Retired != 1 {
				t.Errorf("%d removed objects are in use, want 1", r.Retired)
			}
			cancel()
			wantErr(t, "the wait", <-done, context.Canceled)
			proctest.Eventually(t, hangs, func() bool {
				runtime.GC()
				return must1(segment.Of(seg).Check()).Retired == 0
			}, "after the wait the memory should be free")
		})
	}
}
