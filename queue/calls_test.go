//go:build linux

package queue

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// An exchange is one end of a conversation of two processes.
type exchange struct{ put, get func() error }

// talks opens an end of a conversation in a segment: what the first puts the second gets from the
// first of two names.
var talks = map[string]func(seg *shm.Segment, first bool) exchange{
	"SPSC": func(seg *shm.Segment, first bool) exchange {
		out, in := twoOf(first, func(name string) *SPSC[int64] { return mustOpen(NewSPSC[int64](seg, name, 64, parked)) })
		return exchange{func() error { return out.Put(patient, 1) }, func() error { _, err := in.Get(patient); return err }}
	},
	"Queue": func(seg *shm.Segment, first bool) exchange {
		out, in := twoOf(first, func(name string) *Queue[int64] { return mustOpen(NewQueue[int64](seg, name, 64, parked)) })
		return exchange{func() error { return out.Put(patient, 1) }, func() error { _, err := in.Get(patient); return err }}
	},
	"Bytes": func(seg *shm.Segment, first bool) exchange {
		out, in := twoOf(first, func(name string) *Bytes { return mustOpen(NewBytes(seg, name, 4096, parked)) })
		b := make([]byte, 64)
		return exchange{func() error { return out.Put(patient, b) }, func() error { _, err := in.Get(patient); return err }}
	},
	"Broadcast": func(seg *shm.Segment, first bool) exchange {
		out, in := twoOf(first, func(name string) *Broadcast[int64] { return mustOpen(NewBroadcast[int64](seg, name, 64, parked)) })
		r := in.mustSubscribe(FromOldest)
		return exchange{func() error { return out.Put(background, 1) }, func() error { _, err := r.Get(patient); return err }}
	},
}

var parked = Options{Wait: shmsync.Park}

func mustOpen[T any](v T, err error) T {
	proctest.ExitOn(err)
	return v
}

// twoOf returns what an end puts into and what it gets from.
func twoOf[T any](first bool, open func(name string) T) (out, in T) {
	a, b := open("there"), open("back")
	if first {
		return a, b
	}
	return b, a
}

// trip is a message there and one back, for either side.
func (e exchange) trip(first bool) func() {
	if first {
		return func() { proctest.ExitOn(e.put()); proctest.ExitOn(e.get()) }
	}
	return func() { proctest.ExitOn(e.get()); proctest.ExitOn(e.put()) }
}

// roleAnswers is the other side of a conversation of kind args[1] in the segment args[0].
var roleAnswers = proctest.Register("answers", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	asleep.Answer(talks[args[1]](seg, false).trip(false))
})

// A trip there and back of two processes that sleep for each other costs at most a wait and a wake
// for each message, and as good as no membarrier.
func TestCallsOfAConversation(t *testing.T) {
	if !futex.Register() || !futex.HasWaitAny() {
		t.Skip("without membarrier and futex_waitv sleepers look again every few milliseconds")
	}
	for kind := range talks {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(proctest.Dir(t), "talk")
			seg := mustOpen(shm.Create(path, shm.Options{}))
			defer seg.Close()
			first := talks[kind](seg, true)
			asleep.Converse(t, proctest.Start(t, roleAnswers, path, kind), first.trip(true))
		})
	}
}

// streams returns what puts, and what gets, all of so many messages, which is how many changes.
var streams = map[string]func(seg *shm.Segment, n int) (put, get func()){
	"SPSC": func(seg *shm.Segment, n int) (put, get func()) {
		q := mustOpen(NewSPSC[int64](seg, "q", 64, Options{}))
		return each(n, func() error { return q.Put(background, 1) }), each(n, func() error { _, err := q.Get(background); return err })
	},
	"SPSC parked": func(seg *shm.Segment, n int) (put, get func()) {
		q := mustOpen(NewSPSC[int64](seg, "q", 64, parked))
		return each(n, func() error { return q.Put(background, 1) }), each(n, func() error { _, err := q.Get(background); return err })
	},
	"Queue parked": func(seg *shm.Segment, n int) (put, get func()) {
		q := mustOpen(NewQueue[int64](seg, "q", 64, parked))
		return each(n, func() error { return q.Put(background, 1) }), each(n, func() error { _, err := q.Get(background); return err })
	},
	"Bytes parked": func(seg *shm.Segment, n int) (put, get func()) {
		q, b := mustOpen(NewBytes(seg, "q", 4096, parked)), make([]byte, 64)
		return each(n, func() error { return q.Put(background, b) }), each(n, func() error { _, err := q.Get(background); return err })
	},
}

func each(n int, do func() error) func() {
	return func() {
		for range n {
			proctest.ExitOn(do())
		}
	}
}

// roleStreams gets args[2] messages of a stream of kind args[1] in the segment args[0], and says
// how many membarriers that took.
var roleStreams = proctest.Register("streams", func(args []string) {
	var n int
	fmt.Sscan(args[2], &n)
	_, get := streams[args[1]](mustOpen(shm.Open(args[0])), n)
	proctest.Say("ready")
	before := futex.Counted()
	get()
	proctest.Say("%d", futex.Counted().Since(before).Membarriers)
})

// However often the ends of a stream find nothing to do, of 64 changes at most one is paid for with
// a membarrier.
func TestMembarriersOfAStream(t *testing.T) {
	if !futex.Register() {
		t.Skip("the kernel has no membarrier")
	}
	for kind, open := range streams {
		t.Run(kind, func(t *testing.T) {
			const n = 50_000
			path := filepath.Join(proctest.Dir(t), "stream")
			seg := mustOpen(shm.Create(path, shm.Options{}))
			defer seg.Close()
			put, _ := open(seg, n)
			c := proctest.Start(t, roleStreams, path, kind, fmt.Sprint(n))
			c.Expect("ready")
			before := futex.Counted()
			put()
			other := 0
			fmt.Sscan(c.Line(), &other)
			c.WaitOK()
			all := int(futex.Counted().Since(before).Membarriers) + other
			t.Logf("%d membarriers in %d messages", all, n)
			if all > 2*n/64+2 { // a put and a get are a change each, of two bells
				t.Errorf("%d membarriers in %d messages: at most one in 64 changes", all, n)
			}
		})
	}
}

// A consumer that asks a closed queue again and again issues one membarrier, and no more.
func TestMembarriersOfAClosedQueue(t *testing.T) {
	if !futex.Register() {
		t.Skip("the kernel has no membarrier")
	}
	q := mustOpen(NewSPSC[int64](newSegment(t, shm.Options{}), "q", 4, Options{}))
	proctest.ExitOn(q.Put(background, 1))
	proctest.ExitOn(q.Close())
	before := futex.Counted()
	if _, err := q.TryGet(); err != nil {
		t.Error(err)
	}
	for range 1000 {
		if _, err := q.TryGet(); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
	if n := futex.Counted().Since(before).Membarriers; n != 1 {
		t.Errorf("%d membarriers", n)
	}
}
