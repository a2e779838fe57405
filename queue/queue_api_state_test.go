package queue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// eachQueueAPI runs a test on each kind of queue, by each policy. make makes an empty queue.
func eachQueueAPI(t *testing.T, test func(t *testing.T, policy shmsync.WaitPolicy, make func() queueAPI)) {
	for kind, of := range queueAPIs {
		for name, policy := range policies {
			t.Run(kind+"/"+name, func(t *testing.T) {
				test(t, policy, func() queueAPI { return of(t, newSegment(t, shm.Options{}), "x", Options{Wait: policy}) })
			})
		}
	}
}

// A41: each operation, blocking, with a timeout and without waiting, on a queue of each kind that
// is empty, half full, full or closed.
func TestFaceByState(t *testing.T) {
	eachQueueAPI(t, func(t *testing.T, _ shmsync.WaitPolicy, make func() queueAPI) {
		for name, s := range states {
			f := make()
			for i := range s.fill {
				wantErr(t, f.tryPut(int64(i)), nil)
			}
			if s.closed {
				wantErr(t, f.close(), nil)
			}
			putWants, getWants := [3]error{ErrFull, errTimeout, errCancelled}, [3]error{ErrEmpty, errTimeout, errCancelled}
			if s.closed {
				putWants, getWants = [3]error{ErrClosed, ErrClosed, ErrClosed}, [3]error{ErrClosed, ErrClosed, ErrClosed}
			}
			for i := range s.put {
				// there is room: it does not ask the context
				wantErr(t, f.put(cancelled(), int64(s.fill+i)), nil)
			}
			f.refusesPut(t, putWants)
			for i := range f.len() {
				if v, err := f.get(cancelled()); err != nil || v != int64(i) {
					t.Fatalf("%s: got %d, %v, want %d", name, v, err, i)
				}
			}
			f.refusesGet(t, getWants)
		}
	})
}

// refusesPut checks the errors of a put without waiting, with a timeout, and under a context that
// has ended.
func (f queueAPI) refusesPut(t *testing.T, wants [3]error) {
	t.Helper()
	wantErr(t, f.tryPut(9), wants[0])
	wantErr(t, timed(t, func(ctx context.Context) error { return f.put(ctx, 9) }), wants[1])
	wantErr(t, f.put(cancelled(), 9), wants[2])
	n, err := f.putBatch(cancelled(), []int64{9, 9})
	if wantErr(t, err, wants[2]); n != 0 {
		t.Errorf("%d were put", n)
	}
	if f.reserve != nil {
		_, _, err = f.reserve(cancelled())
		wantErr(t, err, wants[2])
	}
}

func (f queueAPI) refusesGet(t *testing.T, wants [3]error) {
	t.Helper()
	_, err := f.tryGet()
	wantErr(t, err, wants[0])
	wantErr(t, timed(t, func(ctx context.Context) error { _, err := f.get(ctx); return err }), wants[1])
	_, err = f.get(cancelled())
	wantErr(t, err, wants[2])
	_, err = f.getBatch(cancelled(), 2)
	wantErr(t, err, wants[2])
	if f.peek != nil {
		_, _, err = f.peek(cancelled())
		wantErr(t, err, wants[2])
	}
}

// timed does op with a timeout, which is never early.
//
// clock: that a time-out is never early is the subject
func timed(t *testing.T, op func(context.Context) error) error {
	t.Helper()
	const patience = 5 * time.Millisecond
	began := time.Now()
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	err := op(ctx)
	if err == errTimeout && time.Since(began) < patience {
		t.Error("the timeout came early")
	}
	return err
}

// A41, A61: a waiter for room, or for a message, goes on when there is one, and gets ErrClosed when
// the queue is closed: soon, not when it looks again.
func TestFaceWaits(t *testing.T) {
	eachQueueAPI(t, func(t *testing.T, policy shmsync.WaitPolicy, make func() queueAPI) {
		for _, closes := range []bool{false, true} {
			want := map[bool]error{true: ErrClosed}[closes]
			full, empty := make(), make()
			n, err := full.putBatch(background, []int64{1, 2})
			if n != 2 || err != nil {
				t.Fatal(n, err)
			}
			var putErr, getErr error
			put := proctest.MustBlock(t, func() { putErr = full.put(background, 3) })
			get := proctest.MustBlock(t, func() { _, getErr = empty.get(background) })
			if policy != shmsync.Spin { // a spinning waiter does not sleep
				proctest.Eventually(t, proctest.Hang, func() bool {
					return full.stats().Waits > 0 && empty.stats().Waits > 0
				}, "both have slept")
			}
			if closes {
				wantErr(t, full.close(), nil)
				wantErr(t, empty.close(), nil)
			} else {
				_, err := full.get(background)
				wantErr(t, err, nil)
				wantErr(t, empty.put(background, 1), nil)
			}
			<-put
			<-get
			wantErr(t, putErr, want)
			wantErr(t, getErr, want)
		}
	})
}

// A55: exactly 2 messages fit, all the way round the wrap; a place is committed or aborted once, a
// message released once.
func TestFacePlaces(t *testing.T) {
	eachQueueAPI(t, func(t *testing.T, _ shmsync.WaitPolicy, make func() queueAPI) {
		f := make()
		for round := range int64(20) {
			n, err := f.putBatch(canceled, []int64{round, round + 1, round + 2})
			if n != 2 || !errors.Is(err, context.Canceled) || f.len() != 2 {
				t.Fatalf("%d, %v, length %d", n, err, f.len())
			}
			if vs, err := f.getBatch(canceled, 3); err != nil || !slices.Equal(vs, []int64{round, round + 1}) {
				t.Fatal(vs, err)
			}
			if f.reserve == nil {
				continue
			}
			commit, abort, err := f.reserve(canceled)
			wantErr(t, err, nil)
			wantErr(t, commit(round), nil)
			wantErr(t, commit(round), ErrNotHeld)
			wantErr(t, abort(), ErrNotHeld)
			commit, abort, err = f.reserve(canceled)
			wantErr(t, err, nil)
			wantErr(t, abort(), nil)
			wantErr(t, abort(), ErrNotHeld)
			wantErr(t, commit(round), ErrNotHeld)
			v, release, err := f.peek(canceled)
			if err != nil || v != round {
				t.Fatal(v, err)
			}
			wantErr(t, release(), nil)
			wantErr(t, release(), ErrNotHeld)
			_, err = f.tryGet()
			wantErr(t, err, ErrEmpty)
		}
		if s := f.stats(); s.Put < 40 || s.Got != s.Put || s.HighWater != 2 || s.Abandoned != 0 || s.Bytes < 40 {
			t.Errorf("%+v", s)
		}
	})
}

// A61: without a waiter there is no wake-up: no system call is made for it.
func TestFaceWakesNobodyWithoutWaiters(t *testing.T) {
	for kind, of := range queueAPIs {
		f := of(t, newSegment(t, shm.Options{}), "x", Options{})
		for i := range int64(1000) {
			wantErr(t, f.tryPut(i), nil)
			_, err := f.tryGet()
			wantErr(t, err, nil)
		}
		if f.usedEvents() {
			t.Fatalf("%s: the events were used", kind)
		}
	}
	b := newBroadcast[int64](t, 2, Options{})
	r := b.mustSubscribe(FromNewest)
	for i := range int64(1000) {
		mustBroadcast(t, b, i)
		mustRead(t, r, i)
	}
	if b.usedEvents() {
		t.Error("the event was used")
	}
}

// A68: each of two sleepers gets its message soon, in whichever order they sleep: no wake-up
// between the two is lost.
func TestFaceNotificationsAreNotLost(t *testing.T) {
	for kind, of := range queueAPIs {
		seg := newSegment(t, shm.Options{})
		there, back := of(t, seg, "there", Options{Wait: shmsync.Park}), of(t, seg, "back", Options{Wait: shmsync.Park})
		go func() {
			for {
				v, err := there.get(background)
				if err != nil || back.put(background, v) != nil {
					return
				}
			}
		}()
		for i := range int64(1500) {
			wantErr(t, there.put(background, i), nil)
			if v, err := back.get(background); err != nil || v != i {
				t.Fatalf("%s: %d, %v, want %d", kind, v, err, i)
			}
		}
		wantErr(t, there.close(), nil)
	}
}
