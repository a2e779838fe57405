//go:build linux

package bench

import (
	"fmt"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
	"golang.org/x/sys/unix"
)

// link is one process's side of a conversation.
type link struct {
	send    func(number uint64) error
	receive func() (number uint64, err error)
}

// linker opens the side of a process, with messages of size bytes.
type linker func(seg *shm.Segment, l *lane, size int, policy shmsync.WaitPolicy) (link, error)

// A wait says how the ends of a conversation wait for each other, and what they do between the
// messages.
type wait struct {
	name   string // in a row
	policy shmsync.WaitPolicy
	// Each process is busy for busyTime before it sends, so that the other one sleeps by then.
	busy bool
	rest time.Duration // process 0 rests before each trip, which does not count
}

// waits by the name in a row.
var waits = map[string]wait{}

// whileAsleep is like park, but each process is busy for busyTime before it sends, so that the
// other one sleeps by then. Waits with a rate or a rest have a pause before each trip.
const (
	whileAsleep  = "asleep"
	adaptiveAt1k = "adaptive/rate=1k"
	parkRested   = "park/rest=10ms"
	busyTime     = 50 * time.Microsecond // also in message_trip.c
)

func init() {
	for _, w := range []wait{
		{name: "spin", policy: shmsync.Spin},
		{name: "adaptive", policy: shmsync.Adaptive},
		{name: "park", policy: shmsync.Park},
		{name: whileAsleep, policy: shmsync.Park, busy: true},
		{name: adaptiveAt1k, policy: shmsync.Adaptive, rest: time.Millisecond},
		{name: parkRested, policy: shmsync.Park, rest: coldPause},
	} {
		waits[w.name] = w
	}
	registerMessageJobs()
}

// ofPeer returns the name of the wait in message_trip.c.
func (w wait) ofPeer() []string {
	name, _, _ := strings.Cut(w.name, "/")
	return []string{name, fmt.Sprint(w.rest.Microseconds())}
}

func beBusy() {
	for start := time.Now(); time.Since(start) < busyTime; { //clock: work of so long
	}
}

// sleepThread has the thread sleep, as a program in C does.
func sleepThread(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&t, nil)
}

// tripsOnly returns o as if each round had taken only as long as its trips.
func (o outcome) tripsOnly() outcome {
	for i, l := range o.laps {
		o.laps[i].end = l.start
		for _, trip := range o.trips[l.round] {
			o.laps[i].end += int64(trip)
		}
	}
	return o
}

// withoutBusyTime returns o as if no process had been busy.
func (o outcome) withoutBusyTime(p plan) outcome {
	for i := range o.laps {
		o.laps[i].end -= p.ops * 2 * int64(busyTime)
	}
	for _, trips := range o.trips {
		for i := range trips {
			trips[i] = max(trips[i], 2*uint32(busyTime)+1) - 2*uint32(busyTime)
		}
	}
	return o
}

func registerMessageJobs() {
	for kind, open := range linkers {
		for _, size := range payloads {
			for name, w := range waits {
				jobs[messageJob(kind, size, name)] = job{
					open: func(seg *shm.Segment, l *lane) (leg, error) {
						return openMessages(seg, l, open, size, w)
					},
					check:    checkMessages,
					together: true,
				}
			}
		}
	}
}

func messageJob(kind string, size payload, wait string) string {
	return "message/" + kind + "/" + size.name + "/" + wait
}

// openMessages has process 0 send each message and await the answer, and process 1 answer.
func openMessages(seg *shm.Segment, l *lane, open linker, size payload, w wait) (leg, error) {
	k, err := open(seg, l, size.bytes, w.policy)
	if err != nil || l.number == noProcess {
		return nil, err
	}
	futex.Register() // before the first message: while it runs, messages take longer
	if send := k.send; w.busy {
		k.send = func(number uint64) error {
			beBusy()
			return send(number)
		}
	}
	number := uint64(0)
	ask := func(n int64) error {
		l.trips.start()
		for end := number + uint64(n); number < end; {
			number++
			if w.rest > 0 {
				sleepThread(w.rest)
				l.trips.start()
			}
			if err := k.send(number); err != nil {
				return err
			}
			if err := k.expect(number); err != nil {
				return err
			}
			l.trips.add()
		}
		return nil
	}
	answer := func(n int64) error {
		for end := number + uint64(n); number < end; {
			number++
			if err := k.expect(number); err != nil {
				return err
			}
			if err := k.send(number); err != nil {
				return err
			}
		}
		return nil
	}
	talk := ask
	if l.number == 1 {
		talk = answer
	}
	return func(n int64) (int64, error) {
		err := talk(n)
		if err == nil {
			l.track.sum.Add(n)
		}
		return uncounted, err
	}, nil
}

func (k link) expect(number uint64) error {
	got, err := k.receive()
	if err == nil && got != number {
		err = fmt.Errorf("got message %d, want %d", got, number)
	}
	return err
}

// checkMessages fails unless both processes have checked the message of every trip.
func checkMessages(_ *shm.Segment, t *track, total int64) error {
	if got := t.sum.Load(); got != 2*total {
		return fmt.Errorf("%d messages were checked in %d trips", got, total)
	}
	return nil
}
