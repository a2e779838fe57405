package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

var isJoinable = Options{Joinable: true}

// roleWorker takes messages from the joinable queue in the segment args[0]. For each it puts what
// it says on one level deeper, then it is done with it. With args[1] = "stop" it says so after the
// first, and stops there.
var roleWorker = proctest.Register("worker", func(args []string) {
	q := openFor(args[0])
	n := 0
	proctest.Say("ready")
	for v, err := range q.All(background) {
		proctest.ExitOn(err)
		proctest.ExitOn(v.check())
		if args[1] == "stop" {
			proctest.Say("took")
			proctest.Hear()
		}
		if depth := v[0] >> 32; depth > 0 {
			proctest.ExitOn(q.Put(background, messageOf(v[0]-1<<32)))
		}
		proctest.ExitOn(q.TaskDone())
		n++
	}
	proctest.Say("%d", n)
})

// A41: four consumers, each a process, are done with all messages, and with those that they have
// put themselves, when Join returns.
func TestJoinFourConsumers(t *testing.T) {
	const messages, depth = 200, 3
	q, path := namedQueue[checked](t, 1024, Options{Joinable: true}.startingAt(beforeLapWrap(1024)))
	var workers []*proctest.Child
	for range 4 {
		w := proctest.Start(t, roleWorker, path, "")
		w.Expect("ready")
		workers = append(workers, w)
	}
	for n := range uint64(messages) {
		wantErr(t, q.Put(background, messageOf(depth<<32+n)), nil)
	}
	wantErr(t, q.Join(background), nil)
	if s := q.Stats(); s.Put-beforeLapWrap(1024) != messages*(depth+1) || s.Put != s.Got {
		t.Errorf("joined, with %+v", s)
	}
	wantErr(t, q.Join(background), nil) // again, at once
	wantErr(t, q.Close(), nil)
	sum := 0
	for _, w := range workers {
		n := 0
		if line := w.Line(); scan(line, &n) != nil {
			t.Fatalf("a worker said %q", line)
		}
		sum += n
		w.WaitOK()
	}
	if sum != messages*(depth+1) {
		t.Errorf("%d tasks", sum)
	}
}

// A41: a TaskDone too many is an error, and changes nothing.
func TestTaskDoneTooOften(t *testing.T) {
	q := newQueue[int64](t, 8, isJoinable)
	wantErr(t, q.TaskDone(), ErrNotHeld)
	wantErr(t, q.Join(background), nil)
	mustPut(t, q, 1, 2, 3)
	mustGet(t, q, 1, 2)
	p, err := q.Peek(background)
	wantErr(t, err, nil)
	wantErr(t, p.Release(), nil)
	var joined error
	done := proctest.MustBlock(t, func() { joined = q.Join(background) })
	for range 3 {
		select {
		case <-done:
			t.Fatal("joined too early")
		default:
		}
		wantErr(t, q.TaskDone(), nil)
	}
	<-done
	wantErr(t, joined, nil)
	wantErr(t, q.TaskDone(), ErrNotHeld)
	mustPut(t, q, 4)
	buf := make([]int64, 3)
	if n, err := q.GetBatch(background, buf); n != 1 || err != nil {
		t.Error(n, err)
	}
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	wantErr(t, q.Join(ctx), context.DeadlineExceeded)
	wantErr(t, q.TaskDone(), nil)
	wantErr(t, q.Join(ctx), nil) // it need not wait
}

// A consumer that is killed between Get and TaskDone does not hang Join, and one that is stopped
// does not end it.
func TestJoinAndDeath(t *testing.T) {
	q, path := namedQueue[checked](t, 4, isJoinable)
	putChecked(t, q, 1, 1)
	w := proctest.Start(t, roleWorker, path, "stop")
	w.Expect("ready")
	w.Expect("took")
	var err error
	done := proctest.MustBlock(t, func() { err = q.Join(background) })
	kill(t, w)
	<-done
	wantErr(t, err, nil)
	usable(t, q)
	//clock: the time-out is the subject; usable has not said that it is done
	wantErr(t, q.Join(timeLimit(t, 10*time.Millisecond)), context.DeadlineExceeded)
}

func timeLimit(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(background, d)
	t.Cleanup(cancel)
	return ctx
}

// So it is when the consumer dies while Join waits for messages behind, and when a producer dies in
// the middle of a message.
func TestJoinAndOtherDeaths(t *testing.T) {
	q, path := namedQueue[checked](t, 4, isJoinable)
	child := proctest.Start(t, roleClaim, path, "put")
	child.Expect("claimed")
	var err error
	done := proctest.MustBlock(t, func() { err = q.Join(background) })
	kill(t, child)
	<-done
	wantErr(t, err, nil)
	wantAbandoned(t, q, 1)

	putChecked(t, q, 1, 2)
	w := proctest.Start(t, roleWorker, path, "stop")
	w.Expect("ready")
	w.Expect("took")
	done = proctest.MustBlock(t, func() { err = q.Join(background) })
	kill(t, w)
	getChecked(t, q, 2, 2)
	wantErr(t, q.TaskDone(), nil)
	<-done
	wantErr(t, err, nil)
}

// Many rounds of put, join and done: Join returns only when all is done, and does return.
func TestJoinRaces(t *testing.T) {
	q, path := namedQueue[int64](t, 4, isJoinable)
	other, err := OpenQueue[int64](reopen(t, path), "q", Options{})
	wantErr(t, err, nil)
	done := make(chan int64, 100)
	var consumers sync.WaitGroup
	for _, q := range []*Queue[int64]{q, other} {
		consumers.Go(func() {
			for v, err := range q.All(background) {
				if err != nil {
					t.Error(err)
				}
				done <- v
				if err := q.TaskDone(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for round := range int64(300) {
		n := round%7 + 1
		for range n {
			wantErr(t, q.Put(background, round), nil)
		}
		wantErr(t, q.Join(timeLimit(t, proctest.Hang)), nil)
		if len(done) != int(n) {
			t.Fatalf("round %d: joined after %d of %d", round, len(done), n)
		}
		for range n {
			<-done
		}
	}
	wantErr(t, q.Close(), nil)
	consumers.Wait() // the close of the segment would meet them
}

// A queue that is not joinable says so, and one of the other sort is not taken for what it is not.
func TestNotJoinable(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := NewQueue[int64](seg, "plain", 4, Options{})
	wantErr(t, err, nil)
	_, err = NewQueue[int64](seg, "tasks", 4, isJoinable)
	wantErr(t, err, nil)
	_, err = NewQueue[int64](seg, "plain", 4, isJoinable)
	wantErr(t, err, shm.ErrMismatch)
	for _, capacity := range []int{4, 512} { // one is of the same size
		_, err = NewQueue[int64](seg, "tasks", capacity, Options{})
		wantErr(t, err, shm.ErrMismatch)
		if !strings.Contains(err.Error(), "joinable") {
			t.Error(err)
		}
	}
	type big [504]byte // with its state half a kilobyte, so that the seats look like slots
	_, err = NewQueue[big](seg, "big tasks", 8, isJoinable)
	wantErr(t, err, nil)
	for capacity := 8; capacity <= 32; capacity *= 2 {
		_, err = NewQueue[big](seg, "big tasks", capacity, Options{})
		wantErr(t, err, shm.ErrMismatch)
	}
	q, err := OpenQueue[int64](seg, "plain", Options{})
	wantErr(t, err, nil)
	wantErr(t, q.TaskDone(), fs.ErrInvalid)
	wantErr(t, q.Join(background), fs.ErrInvalid)
	k, err := OpenQueue[int64](seg, "tasks", Options{})
	wantErr(t, err, nil)
	wantErr(t, k.Join(background), nil)
}

// After this process has closed the segment nothing waits.
func TestJoinAfterClose(t *testing.T) {
	q, _ := namedQueue[int64](t, 4, isJoinable)
	mustPut(t, q, 1)
	var err error
	done := proctest.MustBlock(t, func() { err = q.Join(background) })
	wantErr(t, q.o.Seg.Close(), nil)
	<-done
	wantErr(t, err, shm.ErrClosed)
	wantErr(t, q.Join(background), shm.ErrClosed)
	wantErr(t, q.TaskDone(), shm.ErrClosed)
}

// Counts that are overwritten make Join wait or return, and TaskDone fail or not; nothing else.
func TestHostileTaskCounts(t *testing.T) {
	for _, word := range []uint64{0, 1, 1 << 31, 1 << 32, 1<<63 | 1, ^uint64(0), 0xffffffff << 32} {
		q := newQueue[uint64](t, 2, isJoinable)
		mustPut(t, q, 1)
		mustGet(t, q, 1)
		counts := q.o.Payload[len(q.o.Payload)-64*q.o.Seg.Table().Len():]
		for len(counts) > 0 {
			binary.NativeEndian.PutUint64(counts, word)
			counts = counts[64:]
		}
		//clock: with such words it may wait for ever
		if err := q.Join(timeLimit(t, time.Millisecond)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		useAll(t, q)
		if err := q.TaskDone(); err != nil && !errors.Is(err, ErrNotHeld) {
			t.Error(err)
		}
	}
}

// A joinable queue allocates nothing to put, get and be done, either.
func TestJoinableAllocations(t *testing.T) {
	q := newQueue[line](t, 2, isJoinable)
	if n := testing.AllocsPerRun(100, func() {
		q.Put(background, line{})
		q.Get(background)
		q.TaskDone()
	}); n != 0 {
		t.Error(fmt.Sprint(n), "allocations")
	}
}
