package queue

import (
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
)

// lineEnds are the ends at which at most one process waits, and the events that it sleeps on.
var lineEnds = map[string]func(seg *shm.Segment) (*lock.EventCount, error){
	"spsc put": func(seg *shm.Segment) (*lock.EventCount, error) {
		q, err := OpenSPSC[int64](seg, "q", Options{})
		if err != nil {
			return nil, err
		}
		return q.r.Put.Event, nil
	},
	"spsc get": func(seg *shm.Segment) (*lock.EventCount, error) {
		q, err := OpenSPSC[int64](seg, "q", Options{})
		if err != nil {
			return nil, err
		}
		return q.r.Get.Event, nil
	},
	"broadcast get": lineOfRoom, "broadcast close": lineOfRoom,
}

func lineOfRoom(seg *shm.Segment) (*lock.EventCount, error) {
	b, err := OpenBroadcast[int64](seg, "q", Options{})
	if err != nil {
		return nil, err
	}
	return b.r.Room.Event, nil
}

// roleInLine sleeps at the end args[1] in the segment args[0] and never takes what is there, as a
// thread of a killed process does that the kernel has not ended yet.
var roleInLine = proctest.Register("in-line", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	e, err := lineEnds[args[1]](seg)
	proctest.ExitOn(err)
	proctest.ExitOn(e.Await(background, wait.Parking, func() bool { return false }, nil))
})

// A wake-up for the one waiter of an end reaches it though a thread of a killed one is before it in
// the line of the kernel.
func TestWakeUpPassesTheDead(t *testing.T) {
	for end := range lineEnds {
		t.Run(end, func(t *testing.T) {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			defer seg.Close()
			waits, wakes := lineScene(t, seg, end)
			child := proctest.Start(t, roleInLine, path, end)
			defer child.Kill()
			asleep.AwaitFor(t, seg, "q", 1)
			done := make(chan error, 1)
			go func() { done <- waits() }()
			asleep.AwaitFor(t, seg, "q", 2)
			wantErr(t, wakes(), nil)
			wantErr(t, proctest.Ends(t, done, "the waiter is woken"), nil)
		})
	}
}

// lineScene makes the object with that end, and returns what waits there, and what ends the wait.
func lineScene(t *testing.T, seg *shm.Segment, end string) (waits, wakes func() error) {
	t.Helper()
	put := func(put func() error) func() error { // a put that waits, as two have filled the ring
		wantErr(t, put(), nil)
		wantErr(t, put(), nil)
		return put
	}
	if end == "broadcast get" || end == "broadcast close" {
		b, err := NewBroadcast[int64](seg, "q", 2, Options{Writers: Many})
		wantErr(t, err, nil)
		r := b.mustSubscribe(FromNewest)
		wakes = r.Close
		if end == "broadcast get" {
			wakes = func() error { _, err := r.TryGet(); return err }
		}
		return put(func() error { return b.Put(background, 1) }), wakes
	}
	q, err := NewSPSC[int64](seg, "q", 2, Options{})
	wantErr(t, err, nil)
	puts, gets := func() error { return q.Put(background, 1) }, func() error { _, err := q.Get(background); return err }
	if end == "spsc get" {
		return gets, puts
	}
	return put(puts), gets
}
