package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A caller that finds the queue held up, by a holder of its lock that was not scheduled for a
// while, goes on as soon as that has gone on.
func TestBytesHeldUp(t *testing.T) {
	for name, c := range map[string]struct {
		hold func(*Bytes) (release func() bool)
		do   func(context.Context, *Bytes) error
	}{
		"get": {holdGet, func(ctx context.Context, b *Bytes) error { _, err := b.Get(ctx); return err }},
		"put": {holdPut, func(ctx context.Context, b *Bytes) error { return b.Put(ctx, []byte("y")) }},
		"put, full": {holdGet, func(ctx context.Context, b *Bytes) error {
			for b.TryPut(nil) == nil {
			}
			go func() { asleep.Await(t, b.o.Seg, 1); b.Get(background) }()
			return b.Put(ctx, nil)
		}},
		"join": {holdGet, func(ctx context.Context, b *Bytes) error {
			go func() { asleep.Await(t, b.o.Seg, 1); b.Get(background); b.TaskDone() }()
			return b.Join(ctx)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBytes(t, 100, Options{Joinable: true})
			wantErr(t, b.TryPut([]byte("x")), nil)
			release := c.hold(b)
			//clock: that the time-out ends the wait is the subject
			ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
			defer cancel()
			// the holder is waited for, under the context
			wantErr(t, c.do(ctx, b), context.DeadlineExceeded)
			over := proctest.MustBlock(t, func() { wantErrorf(t, name, c.do(background, b), nil) })
			if !release() {
				t.Fatal("not held")
			}
			<-over
		})
	}
}

func holdGet(b *Bytes) func() bool {
	b.r.GetLock.Lock(background)
	return b.r.GetLock.TryUnlock
}

func holdPut(b *Bytes) func() bool {
	b.r.PutLock.Lock(background)
	return b.r.PutLock.TryUnlock
}

// While a process reads the oldest message, nothing is dropped for its room; a Put waits for it,
// under its context, and then goes on.
func TestBytesDropOldestWaitsForAReader(t *testing.T) {
	b := newBytes(t, 80, Options{WhenFull: DropOldest}) // room for five of 8 bytes
	for i := range 5 {
		wantErr(t, b.TryPut(fmt.Appendf(nil, "%-8d", i)), nil)
	}
	p, err := b.Peek(background)
	wantErr(t, err, nil)
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	wantErr(t, b.Put(ctx, make([]byte, 8)), context.DeadlineExceeded)
	if s := b.Stats(); s.Dropped != 0 || b.Len() != 4 {
		t.Errorf("%d left, %+v", b.Len(), s)
	}
	put := proctest.MustBlock(t, func() { wantErrorf(t, "put", b.Put(background, []byte("5")), nil) })
	wantErr(t, p.Release(), nil)
	<-put
	wantErr(t, b.Put(background, []byte("6")), nil)
	if s := b.Stats(); s.Dropped != 1 || b.Len() != 5 {
		t.Errorf("%d left, %+v", b.Len(), s)
	}
}

// A message that no consumer takes is dropped by a Put that has waited for its producer.
func TestBytesDropOldestAfterAWriter(t *testing.T) {
	b, err := NewBytes(newSegment(t, shm.Options{}), "b", 80, Options{WhenFull: DropOldest})
	wantErr(t, err, nil)
	res, err := b.Reserve(background, 8)
	wantErr(t, err, nil)
	for b.TryPut(make([]byte, 8)) == nil {
	}
	put := proctest.MustBlock(t, func() { wantErrorf(t, "put", b.Put(patient, make([]byte, 8)), nil) })
	wantErr(t, res.Commit(), nil)
	proctest.Ends(t, put, "the put does not wait for a consumer")
	if s := b.Stats(); s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

func wantErrorf(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
