package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// blockers are the ways to wait for each kind of queue, by kind and role; each fills the queue
// first if that takes it.
var blockers = map[[2]string]func(seg *shm.Segment, ctx context.Context) error{
	{"Queue", "put"}: func(seg *shm.Segment, ctx context.Context) error {
		q := must1(NewQueue[int64](seg, "x", 1, Options{}))
		return errors.Join(q.TryPut(1), q.Put(ctx, 2))
	},
	{"Queue", "get"}: func(seg *shm.Segment, ctx context.Context) error {
		_, err := must1(NewQueue[int64](seg, "x", 1, Options{})).Get(ctx)
		return err
	},
	{"Queue", "join"}: func(seg *shm.Segment, ctx context.Context) error {
		q := must1(NewQueue[int64](seg, "x", 1, Options{Joinable: true}))
		return errors.Join(q.TryPut(1), q.Join(ctx))
	},
	{"SPSC", "put"}: func(seg *shm.Segment, ctx context.Context) error {
		q := must1(NewSPSC[int64](seg, "x", 1, Options{}))
		return errors.Join(q.TryPut(1), q.Put(ctx, 2))
	},
	{"SPSC", "get"}: func(seg *shm.Segment, ctx context.Context) error {
		_, err := must1(NewSPSC[int64](seg, "x", 1, Options{})).Get(ctx)
		return err
	},
	{"Bytes", "put"}: func(seg *shm.Segment, ctx context.Context) error {
		q := must1(NewBytes(seg, "x", 64, Options{}))
		for {
			if err := q.Put(ctx, make([]byte, 64)); err != nil {
				return err
			}
		}
	},
	{"Bytes", "get"}: func(seg *shm.Segment, ctx context.Context) error {
		_, err := must1(NewBytes(seg, "x", 64, Options{})).Get(ctx)
		return err
	},
	{"Broadcast", "get"}: func(seg *shm.Segment, ctx context.Context) error {
		_, err := must1(NewBroadcast[int64](seg, "x", 4, Options{})).mustSubscribe(FromNewest).Get(ctx)
		return err
	},
}

// A waiter for room or for messages is in the report of waits, and in it no longer than it waits.
func TestBlocked(t *testing.T) {
	for what, wait := range blockers {
		t.Run(fmt.Sprint(what), func(t *testing.T) {
			seg := newSegment(t, shm.Options{})
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			done := make(chan error)
			go func() { done <- wait(seg, ctx) }()
			var r *shmsync.BlockedReport
			proctest.Eventually(t, proctest.Hang, func() bool {
				r = must1(shmsync.Blocked(seg))
				return len(r.Waits) == 1
			}, "there should be a wait")
			if w := r.Waits[0]; w.Object != "x" || w.Kind != what[0] || w.Role != what[1] || time.Since(w.Since) > time.Minute {
				t.Errorf("%+v", w)
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("the wait: %v", err)
			}
			if r := must1(shmsync.Blocked(seg)); len(r.Waits)+r.Unlisted != 0 {
				t.Errorf("in the end:\n%v", r)
			}
		})
	}
}
