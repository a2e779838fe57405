package queue

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleSPSCTraffic puts checked messages from args[2] on, or gets them, until the end, in the
// segment args[0]. A consumer that has taken args[2] messages closes the queue.
var roleSPSCTraffic = proctest.Register("spsc-traffic", func(args []string) {
	q := openSPSC(args[0])
	proctest.Say("ready")
	n := uint64(0)
	if args[1] == "put" {
		proctest.ExitOn(scan(args[2], &n))
		for ; ; n++ {
			err := q.Put(background, messageOf(n))
			if errors.Is(err, ErrClosed) {
				proctest.Say("%d", n-1) // the last one that was put
				return
			}
			proctest.ExitOn(err)
		}
	}
	for v, err := range q.All(background) {
		proctest.ExitOn(err)
		proctest.ExitOn(v.check())
		if v[0] <= n {
			proctest.ExitOn(fmt.Errorf("message %d after %d", v[0], n))
		}
		n = v[0]
	}
	proctest.Say("%d", n)
})

// Both ends are killed again and again, at any time: what comes out is whole and in order, and at
// most the message in a dead one's hands is missing or, where it died as the consumer, was not
// seen.
func TestSPSCKilledAtRandom(t *testing.T) {
	q, path := namedSPSC(t, 8, Options{}.startingAt(^uint64(0)-100))
	from := uint64(1)
	for round := range 15 {
		producer := proctest.Start(t, roleSPSCTraffic, path, "put", fmt.Sprint(from))
		consumer := proctest.Start(t, roleSPSCTraffic, path, "get")
		producer.Expect("ready")
		consumer.Expect("ready")
		proctest.Stagger(14 * time.Millisecond)
		first, second := producer, consumer
		if round%2 == 1 {
			first, second = consumer, producer
		}
		kill(t, first)
		proctest.Stagger(3 * time.Millisecond)
		kill(t, second)
		last := uint64(0)
		for {
			v, err := q.TryGet()
			if err == ErrEmpty {
				break
			}
			if err != nil || v.check() != nil || last != 0 && v[0] != last+1 {
				t.Fatalf("got %v, %v after %d", v, err, last)
			}
			last = v[0]
		}
		spscUsable(t, q)
		if s := q.Stats(); s.Abandoned > uint64(round+1) {
			t.Fatalf("stats %+v after %d deaths of producers", s, round+1)
		}
		from += 1 << 32
		closeAgain(t, &q, path) // this process leaves both roles
	}
}

// closeAgain closes the segment of q and opens it again.
func closeAgain(t *testing.T, q **SPSC[checked], path string) {
	t.Helper()
	next := reopen(t, path)
	if err := (*q).o.Seg.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if *q, err = OpenSPSC[checked](next, "q", Options{}); err != nil {
		t.Fatal(err)
	}
}
