//go:build linux

package bench

import (
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// link is one process's side of a conversation.
type link struct {
	send    func(number uint64) error
	receive func() (number uint64, err error)
}

// linker opens the side of a process, with messages of size bytes.
type linker func(seg *shm.Segment, l *lane, size int, policy shmsync.WaitPolicy) (link, error)

// waits by the name in a row.
var waits = map[string]shmsync.WaitPolicy{
	"spin": shmsync.Spin, "adaptive": shmsync.Adaptive, "park": shmsync.Park, whileAsleep: shmsync.Park,
}

// whileAsleep is like park, but each process is busy for busyTime before it sends: by then the other one sleeps.
const (
	whileAsleep = "asleep"
	busyTime    = 50 * time.Microsecond // also in message_trip.c
)

func beBusy() {
	for start := time.Now(); time.Since(start) < busyTime; {
	}
}

// withoutBusyTime returns o as if nobody had been busy.
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

func init() {
	for kind, open := range linkers {
		for _, size := range payloads {
			for wait, policy := range waits {
				jobs[messageJob(kind, size, wait)] = job{
					open: func(seg *shm.Segment, l *lane) (leg, error) {
						return openMessages(seg, l, open, size, policy, wait == whileAsleep)
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
func openMessages(seg *shm.Segment, l *lane, open linker, size payload, policy shmsync.WaitPolicy, busy bool) (leg, error) {
	k, err := open(seg, l, size.bytes, policy)
	if err != nil || l.number == nobody {
		return nil, err
	}
	futex.Register() // takes its time, in which messages cost more
	if send := k.send; busy {
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
