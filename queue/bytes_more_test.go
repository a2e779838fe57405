package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A full queue drops the newest, or the oldest, and counts it.
func TestBytesWhenFull(t *testing.T) {
	for full, want := range map[WhenFull][]string{DropNewest: {"0", "1", "2", "3"}, DropOldest: {"6", "7", "8", "9"}} {
		// room for a message of 80 bytes is room for five of 8: 128 bytes
		b := newBytes(t, 80, Options{WhenFull: full})
		for i := range 10 {
			wantErr(t, b.Put(background, fmt.Appendf(nil, "%-8d", i)), nil)
		}
		var got []string
		for {
			m, err := b.TryGet()
			if err != nil {
				break
			}
			got = append(got, string(m[:1]))
		}
		s := b.Stats()
		if len(got) != 5 || s.Dropped != 5 || s.HighWater != 5 || s.Put-s.Got != 0 {
			t.Errorf("%d: %v, %+v", full, got, s)
		}
		if full == DropNewest && got[3] != want[3] || full == DropOldest && got[4] != want[3] {
			t.Errorf("%d: %v", full, got)
		}
		wantErr(t, b.TryPut(make([]byte, 81)), fs.ErrInvalid)
	}
}

// A batch that finds no room says how many it has put, and counts the rest.
func TestBytesBatchWhenFull(t *testing.T) {
	for full, want := range map[WhenFull]struct{ n, put, dropped int }{DropNewest: {5, 5, 2}, DropOldest: {7, 7, 2}} {
		b := newBytes(t, 80, Options{WhenFull: full}) // room for five of 8 bytes
		n, err := b.PutBatch(background, slices.Repeat([][]byte{make([]byte, 8)}, 7))
		if s := b.Stats(); err != nil || n != want.n || s.Put != uint64(want.put) || s.Dropped != uint64(want.dropped) {
			t.Errorf("%d: put %d, %v, %+v", full, n, err, s)
		}
		q, err := NewObjects[[]byte](newSegment(t, shm.Options{}), "o", 80, Options{WhenFull: full})
		wantErr(t, err, nil)
		// 8 with their head
		n, err = q.PutBatch(background, slices.Repeat([][]byte{make([]byte, 7)}, 7))
		if s := q.Stats(); err != nil || n != want.n || s.Put != uint64(want.put) || s.Dropped != uint64(want.dropped) {
			t.Errorf("%d: put %d, %v, %+v", full, n, err, s)
		}
	}
}

func TestBytesBatch(t *testing.T) {
	b := newBytes(t, 100, Options{})
	var in, out [][]byte
	for i := range 50 {
		in = append(in, pattern(i, i))
	}
	var all sync.WaitGroup
	all.Go(func() {
		n, err := b.PutBatch(background, in)
		if n != len(in) || err != nil {
			t.Error(n, err)
		}
		wantErr(t, b.Close(), nil)
	})
	into := make([][]byte, 4)
	for {
		n, err := b.GetBatch(background, into)
		if errors.Is(err, ErrClosed) {
			break
		}
		wantErr(t, err, nil)
		for _, m := range into[:n] {
			out = append(out, append([]byte(nil), m...))
		}
	}
	all.Wait()
	if fmt.Sprint(in) != fmt.Sprint(out) {
		t.Errorf("%v, want %v", out, in)
	}
	if n, err := b.GetBatch(background, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// A41: task_done with four consumers: Join returns when all are done, not before.
func TestObjectsJoin(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	q, err := NewObjects[string](seg, "o", 1000, Options{Joinable: true})
	wantErr(t, err, nil)
	_, err = NewObjects[string](seg, "o", 1000, Options{})
	wantErr(t, err, shm.ErrMismatch)
	wantErr(t, newObjects[int](t, 10).TaskDone(), fs.ErrInvalid)
	wantErr(t, q.Join(background), nil)
	wantErr(t, q.TaskDone(), ErrNotHeld)
	var done atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, err := range q.All(background) {
				wantErr(t, err, nil)
				runtime.Gosched()
				done.Add(1)
				wantErr(t, q.TaskDone(), nil)
			}
		})
	}
	for i := range 40 {
		wantErr(t, q.Put(background, fmt.Sprint(i)), nil)
	}
	wantErr(t, q.Join(background), nil)
	if n := done.Load(); n != 40 {
		t.Errorf("%d are done", n)
	}
	wantErr(t, q.TaskDone(), ErrNotHeld)
	wantErr(t, q.Close(), nil)
	all.Wait()
}

// roleHoard takes a message from the queue of the segment args[0], and is never done with it.
var roleHoard = proctest.Register("hoard", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	q, err := OpenObjects[string](seg, "o", Options{})
	proctest.ExitOn(err)
	_, err = q.Get(background)
	proctest.ExitOn(err)
	proctest.Say("got it")
	proctest.Hear()
})

// A consumer that dies between Get and TaskDone does not hold up Join for ever.
func TestObjectsJoinAfterDeath(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	q, err := NewObjects[string](seg, "o", 1000, Options{Joinable: true})
	wantErr(t, err, nil)
	wantErr(t, q.Put(background, "x"), nil)
	child := proctest.Start(t, roleHoard, path)
	child.Expect("got it")
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	wantErr(t, q.Join(ctx), context.DeadlineExceeded)
	joined := make(chan error)
	go func() { joined <- q.Join(background) }()
	asleep.Await(t, seg, 1)
	child.Kill()
	wantErr(t, <-joined, nil)
}

// A56: a message that is being written is never read, however long its producer is stopped. A57:
// one whose producer is dead is skipped.
func TestBytesUnfinishedMessage(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBytes(seg, "b", 1000, Options{})
	wantErr(t, err, nil)
	child := proctest.Start(t, roleScribe, path)
	child.Expect("reserved")
	wantErr(t, b.TryPut([]byte("behind")), nil)
	_, err = b.TryGet()
	wantErr(t, err, ErrEmpty)
	got := make(chan string)
	go func() {
		m, err := b.Get(background)
		wantErr(t, err, nil)
		got <- string(m)
	}()
	proctest.Blocked(t, got) // it was not committed
	asleep.Await(t, seg, 1)
	child.Kill()
	if m := <-got; m != "behind" {
		t.Errorf("got %q", m)
	}
	if s := b.Stats(); s.Abandoned != 1 {
		t.Errorf("%+v", s)
	}
}

// roleScribe reserves a message in the Bytes of the segment args[0], and never commits it.
var roleScribe = proctest.Register("scribe", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBytes(seg, "b", Options{})
	proctest.ExitOn(err)
	_, err = b.Reserve(background, 100)
	proctest.ExitOn(err)
	proctest.Say("reserved")
	proctest.Hear()
})
