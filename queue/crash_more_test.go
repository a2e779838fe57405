//go:build crashtest

package queue

import (
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// operations are what a child of [sweep] can do besides put, get and close.
var operations = map[string]func(q *Queue[checked]) error{
	"PutBatch": func(q *Queue[checked]) error {
		_, err := q.PutBatch(background, []checked{messageOf(99), messageOf(100)})
		return err
	},
	"Commit": func(q *Queue[checked]) error {
		r, err := q.Reserve(background)
		if err != nil {
			return err
		}
		*r.Value = messageOf(99)
		return r.Commit()
	},
	"Abort": func(q *Queue[checked]) error {
		r, err := q.Reserve(background)
		if err != nil {
			return err
		}
		*r.Value = messageOf(99)
		return r.Abort()
	},
	"GetBatch": func(q *Queue[checked]) error {
		_, err := q.GetBatch(background, make([]checked, 2))
		return err
	},
	"Release": func(q *Queue[checked]) error {
		p, err := q.Peek(background)
		if err != nil {
			return err
		}
		if err := p.Value.check(); err != nil {
			return err
		}
		return p.Release()
	},
	"DropOldest": func(q *Queue[checked]) error {
		q.full = ring.DropOldest
		return q.Put(background, messageOf(99))
	},
	"Task": func(q *Queue[checked]) error {
		v, err := q.Get(background)
		if err != nil {
			return err
		}
		if err := v.check(); err != nil {
			return err
		}
		return q.TaskDone()
	},
	"Put": func(q *Queue[checked]) error { return q.Put(background, messageOf(99)) },
	"Get": func(q *Queue[checked]) error { _, err := q.Get(background); return err },
}

// times says how often a point was passed.
func times(points []string, point string) (n uint64) {
	for _, p := range points {
		if p == point {
			n++
		}
	}
	return n
}

func TestCrashInOtherPuts(t *testing.T) {
	for _, op := range []string{"PutBatch", "Commit", "Abort"} {
		t.Run(op, func(t *testing.T) {
			sweep(t, scene{op: op, capacity: 8, fill: 2, after: func(t *testing.T, q *Queue[checked], points []string) {
				published := times(points, "queue.published")
				putChecked(t, q, 3, 3)
				getChecked(t, q, 1, 2)
				getChecked(t, q, 99, 98+published)
				getChecked(t, q, 3, 3)
				drained(t, q)
				wantAbandoned(t, q, times(points, "queue.claimed")-published-times(points, "queue.withdrawn"))
			}})
		})
	}
}

// They wait for room, and are woken or not.
func TestCrashInOtherPutsThatWait(t *testing.T) {
	for _, op := range []string{"PutBatch", "Commit"} {
		t.Run(op, func(t *testing.T) {
			sweep(t, scene{op: op, capacity: 2, fill: 2, during: func(t *testing.T, q *Queue[checked]) {
				getChecked(t, q, 1, 2)
			}, after: func(t *testing.T, q *Queue[checked], points []string) {
				published := times(points, "queue.published")
				getChecked(t, q, 99, 98+published)
				drained(t, q)
				wantAbandoned(t, q, times(points, "queue.claimed")-published)
			}})
		})
	}
}

func TestCrashInOtherGets(t *testing.T) {
	for _, op := range []string{"GetBatch", "Release"} {
		t.Run(op, func(t *testing.T) {
			sweep(t, scene{op: op, capacity: 4, fill: 4, after: func(t *testing.T, q *Queue[checked], points []string) {
				taken := times(points, "queue.taken")
				getChecked(t, q, 1+taken, 4)
				drained(t, q)
				usable(t, q) // slots are counted when they are needed
				wantAbandoned(t, q, taken-times(points, "queue.released"))
			}})
		})
	}
}

// A process that dies while it drops the oldest message loses that one, and its own, at most.
func TestCrashInDropOldest(t *testing.T) {
	sweep(t, scene{op: "DropOldest", capacity: 2, fill: 2, after: func(t *testing.T, q *Queue[checked], points []string) {
		taken, published := times(points, "queue.taken"), times(points, "queue.published")
		getChecked(t, q, 1+taken, 2)
		getChecked(t, q, 99, 98+published)
		drained(t, q)
		usable(t, q)
		s := q.Stats()
		if want := taken - times(points, "queue.released") + times(points, "queue.claimed") - published; s.Abandoned != want {
			t.Errorf("%+v, want %d abandoned", s, want)
		}
		if dropped := times(points, "queue.dropped"); s.Dropped > dropped || dropped > 0 && s.Dropped < dropped-1+times(points, "queue.claimed") {
			t.Errorf("%+v after %v", s, points)
		}
	}})
}

// A consumer that dies at any point between the start of Get and the end of TaskDone does not hang
// Join, which comes after the others are done.
func TestCrashInTask(t *testing.T) {
	results := make(chan error, 1)
	sweep(t, scene{op: "Task", capacity: 4, fill: 2, joinable: true, before: func(t *testing.T, q *Queue[checked], path string) {
		go func() { results <- q.Join(background) }()
		asleep.Await(t, q.o.Seg, 1)
	}, after: func(t *testing.T, q *Queue[checked], points []string) {
		first := 1 + times(points, "queue.taken")
		getChecked(t, q, first, 2)
		drained(t, q)
		for n := first; n <= 2; n++ {
			select {
			case err := <-results:
				t.Fatalf("joined, %v, before message %d was done", err, n)
			default:
			}
			wantErr(t, q.TaskDone(), nil)
		}
		wantErr(t, proctest.Ends(t, results, "Join"), nil)
		wantErr(t, q.TaskDone(), ErrNotHeld)
	}})
}

// A close of the segment that comes in the middle of an operation waits for it: what has returned
// nil has happened, and only that.
func TestSegmentClosedAtEachPoint(t *testing.T) {
	puts, gets := []string{"queue.claimed", "queue.written", "queue.published"}, []string{"queue.taken", "queue.read", "queue.released"}
	for _, op := range []string{"Put", "Commit", "PutBatch"} {
		for _, point := range puts {
			t.Run(op+"/"+point, func(t *testing.T) { queueCloseAtPoint(t, op, point, true) })
		}
	}
	for _, op := range []string{"Get", "Release", "GetBatch"} {
		for _, point := range gets {
			t.Run(op+"/"+point, func(t *testing.T) { queueCloseAtPoint(t, op, point, false) })
		}
	}
}

func queueCloseAtPoint(t *testing.T, op, point string, puts bool) {
	q, path := namedQueue[checked](t, 4, Options{})
	q2, err := OpenQueue[checked](reopen(t, path), "q", Options{})
	wantErr(t, err, nil)
	if !puts {
		putChecked(t, q2, 1, 3)
	}
	closed := make(chan error, 1)
	var mu sync.Mutex
	var points []string
	crashpoint.Trace(func(name string) {
		mu.Lock()
		points = append(points, name)
		first := times(points, point) == 1
		mu.Unlock()
		if name == point && first {
			go func() { closed <- q.o.Seg.Close() }()
			proctest.Eventually(t, proctest.Hang, q.o.Seg.Closed, "the close begins")
		}
	})
	err = operations[op](q)
	crashpoint.Trace(nil)
	wantErr(t, <-closed, nil)
	if err != nil {
		wantErr(t, err, shm.ErrClosed)
	}
	if puts {
		published := times(points, "queue.published")
		if err == nil && published == 0 {
			t.Error("nothing was put")
		}
		getChecked(t, q2, 99, 98+published)
	} else {
		gone := times(points, "queue.taken")
		if err == nil && gone == 0 || err != nil && op != "Release" {
			t.Errorf("%v, and %d taken", err, gone)
		}
		getChecked(t, q2, 1+gone, 3)
	}
	drained(t, q2)
	usable(t, q2)
	if err == nil {
		wantAbandoned(t, q2, 0)
	}
}
