package queue

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A ledger has what operations have said of messages, each of which is put once.
type ledger struct {
	mu  sync.Mutex
	put map[int64]bool // whether its put has returned nil
	got map[int64]int  // how often it was got
	// it was looked at when the segment let go of the process: it may be lost
	perhaps map[int64]bool
}

func newLedger() *ledger {
	return &ledger{put: map[int64]bool{}, got: map[int64]int{}, perhaps: map[int64]bool{}}
}

// puts notes that the first n of these messages were put, and the others were not.
func (l *ledger) puts(n int, messages ...int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range messages {
		l.put[m] = i < n
	}
}

func (l *ledger) gets(messages ...int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range messages {
		l.got[m]++
	}
}

func (l *ledger) loses(message int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.perhaps[message] = true
}

// check compares: what was put was got once, and nothing else was.
func (l *ledger) check() error {
	for m, put := range l.put {
		switch n := l.got[m]; {
		case put && n == 0 && !l.perhaps[m]:
			return fmt.Errorf("message %x was put, and is lost", m)
		case put && n > 1:
			return fmt.Errorf("message %x was got %d times", m, n)
		case !put && n > 0:
			return fmt.Errorf("message %x was got, and its put returned an error", m)
		}
	}
	for m := range l.got {
		if _, known := l.put[m]; !known {
			return fmt.Errorf("message %x was got, and never put", m)
		}
	}
	return nil
}

// over reports whether an error ends a loop; all but that of a closed segment, and those of a Try,
// are wrong.
func over(t *testing.T, err error) bool {
	if err == nil || err == ErrFull || err == ErrEmpty {
		runtime.Gosched()
		return false
	}
	wantErr(t, err, shm.ErrClosed)
	return true
}

// putUntilClosed puts messages that begin with first, in all ways, until the segment is closed.
func putUntilClosed(t *testing.T, q queueAPI, l *ledger, first int64) {
	for v, err := first, error(nil); !over(t, err); v += 3 {
		switch way := v % 4; {
		case way == 0:
			err = q.tryPut(v)
			l.puts(one(err), v)
		case way == 1:
			var n int
			n, err = q.putBatch(background, []int64{v, v + 1, v + 2})
			l.puts(n, v, v+1, v+2)
		case way == 2 && q.reserve != nil:
			commit, _, e := q.reserve(background)
			if err = e; err == nil {
				err = commit(v)
			}
			l.puts(one(err), v)
		default:
			err = q.put(background, v)
			l.puts(one(err), v)
		}
	}
}

func one(err error) int {
	if err != nil {
		return 0
	}
	return 1
}

// getUntilClosed gets messages in all ways until the segment is closed.
func getUntilClosed(t *testing.T, q queueAPI, l *ledger) {
	for i, err := 0, error(nil); !over(t, err); i++ {
		var v int64
		switch way := i % 4; {
		case way == 0:
			v, err = q.tryGet()
		case way == 1:
			var vs []int64
			vs, err = q.getBatch(background, 3)
			l.gets(vs...)
			continue
		case way == 2 && q.peek != nil:
			m, release, e := q.peek(background)
			if v, err = m, e; err == nil {
				if err = release(); err != nil {
					l.loses(m)
				}
			}
		default:
			v, err = q.get(background)
		}
		if err == nil {
			l.gets(v)
		}
	}
}

// A process that closes the segment in the middle of its operations has done each that returned
// nil, once, and none that returned an error: another one that stays finds each message that was
// put and not got.
func TestSegmentClosedInTheMiddle(t *testing.T) {
	for kind := range leftQueues {
		for _, joinable := range []bool{false, true} {
			if kind == "SPSC" && joinable {
				continue
			}
			t.Run(fmt.Sprintf("%s/joinable=%v", kind, joinable), func(t *testing.T) {
				closeInTheMiddle(t, kind, Options{Joinable: joinable})
			})
		}
	}
}

// middleSlots is how many messages a queue has room for.
const middleSlots = 8

func closeInTheMiddle(t *testing.T, kind string, o Options) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	for round := range rounds {
		l := newLedger()
		leaving := reopen(t, path)
		q := leftQueues[kind](t, leaving, "q", middleSlots, o)
		goroutines := 3
		if kind == "SPSC" {
			goroutines = 1
		}
		var all sync.WaitGroup
		for i := range goroutines {
			all.Go(func() { putUntilClosed(t, q, l, int64(i+1)<<40) })
			all.Go(func() { getUntilClosed(t, q, l) })
		}
		proctest.Stagger(2 * time.Millisecond)
		var held *shm.HeldError // a goroutine had reserved a place, or looked at a message
		if err := leaving.Close(); err != nil && !errors.As(err, &held) {
			t.Error(err)
		}
		all.Wait()
		next := reopen(t, path)
		q = leftQueues[kind](t, next, "q", middleSlots, o)
		getTheRest(t, q, l, o.Joinable)
		if err := l.check(); err != nil || t.Failed() {
			t.Fatalf("round %d: %v; %+v", round, err, q.stats())
		}
		wantErr(t, next.Close(), nil)
	}
}

// getTheRest gets what is left, as another process.
func getTheRest(t *testing.T, q queueAPI, l *ledger, joinable bool) {
	for {
		v, err := q.tryGet()
		if err != nil {
			wantErr(t, err, ErrEmpty)
			break
		}
		l.gets(v)
		if joinable {
			wantErr(t, q.taskDone(), nil)
		}
	}
	if joinable { // what the process has taken that left is nothing to wait for
		wantErr(t, q.join(background), nil)
	}
}
