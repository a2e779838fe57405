package queue

import (
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// patient is for waits that nothing but a wake-up shall end.
var patient = wait.WithLongSleep(background)

// rolePingPong answers each message of one SPSC in another, and never spins.
var rolePingPong = proctest.Register("ping-pong", func(args []string) {
	var ends [2]*SPSC[uint64]
	for i := range ends {
		b, err := hex.DecodeString(args[i])
		proctest.ExitOn(err)
		ends[i] = new(SPSC[uint64])
		proctest.ExitOn(ends[i].UnmarshalBinary(b))
		ends[i].policy = wait.Parking
	}
	proctest.Say("ready")
	for v, err := range ends[0].All(patient) {
		proctest.ExitOn(err)
		proctest.ExitOn(ends[1].Put(patient, v))
	}
})

// A68: no wake-up between two processes that sleep for each other is lost.
func TestSPSCNotificationsAreNotLost(t *testing.T) {
	seg, err := shm.Create(proctest.Dir(t)+"/segment", shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	var ends [2]*SPSC[uint64]
	var handles [2]string
	for i, name := range []string{"there", "back"} {
		ends[i], err = NewSPSC[uint64](seg, name, 1, Options{Wait: shmsync.Park})
		wantErr(t, err, nil)
		b, err := ends[i].MarshalBinary()
		wantErr(t, err, nil)
		handles[i] = hex.EncodeToString(b)
	}
	child := proctest.Start(t, rolePingPong, handles[0], handles[1])
	child.Expect("ready")
	for n := range uint64(5000) {
		wantErr(t, ends[0].Put(patient, n), nil)
		v, err := ends[1].Get(patient)
		if err != nil || v != n {
			t.Fatalf("got %d, %v, want %d", v, err, n)
		}
	}
	ends[0].Close()
	child.WaitOK()
}

// A68: many notifiers at once lose nothing: each of many sleepers gets what was put for it, soon.
func TestNotificationsAreNotLost(t *testing.T) {
	q := newQueue[int64](t, 4, Options{Wait: shmsync.Park})
	back := newQueue[int64](t, 4, Options{Wait: shmsync.Park})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for v := range q.All(patient) {
				if err := back.Put(patient, v); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for round := range int64(1500) {
		n := round%4 + 1
		var producers sync.WaitGroup
		for range n {
			producers.Go(func() { q.Put(patient, round) })
		}
		for range n {
			if v, err := back.Get(patient); err != nil || v != round {
				t.Fatalf("got %d, %v", v, err)
			}
		}
		producers.Wait()
	}
	q.Close()
	workers.Wait()
}

// A68: a producer that is blocked by a consumer returns when that is gone: at once where the dead
// one held the place, and else when a process has its role.
func TestBlockedPutReturnsWhenItsReceiverIsGone(t *testing.T) {
	t.Run("Queue", func(t *testing.T) {
		deathWakes(t, "get")
	})
	t.Run("SPSC", func(t *testing.T) {
		q, path := namedSPSC(t, 1, Options{})
		spscPut(t, q, 1, 1)
		child := proctest.Start(t, roleSPSCPeek, path)
		child.Expect("looks")
		var put error
		done := proctest.MustBlock(t, func() { put = q.Put(background, messageOf(2)) })
		kill(t, child)
		spscGet(t, q, 1, 1)
		<-done
		wantErr(t, put, nil)
		spscGet(t, q, 2, 2)
	})
}

// roleSPSCPeek looks at a message of the queue in the segment args[0], for ever.
var roleSPSCPeek = proctest.Register("spsc-peek", func(args []string) {
	p, err := openSPSC(args[0]).Peek(background)
	proctest.ExitOn(err)
	proctest.ExitOn(p.Value.check())
	proctest.Say("looks")
	proctest.Hear()
	proctest.ExitOn(fmt.Errorf("was not killed"))
})
