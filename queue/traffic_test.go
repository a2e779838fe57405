package queue

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleTraffic puts args[2] messages of producer args[1], or gets until the end, in the segment
// args[0].
var roleTraffic = proctest.Register("traffic", func(args []string) {
	q := openFor(args[0])
	if args[1] == "get" {
		sum, n := uint64(0), 0
		last := map[uint64]uint64{}
		for v, err := range q.All(background) {
			proctest.ExitOn(err)
			proctest.ExitOn(v.check())
			who, k := v[0]>>32, v[0]&(1<<32-1)
			if k <= last[who] {
				proctest.ExitOn(fmt.Errorf("message %d of %d after %d", k, who, last[who]))
			}
			last[who] = k
			sum += v[0]
			n++
		}
		proctest.Say("%d %d", n, sum)
		return
	}
	who, _ := strconv.ParseUint(args[1], 10, 64)
	n, _ := strconv.ParseUint(args[2], 10, 64)
	for k := uint64(1); k <= n; k++ {
		proctest.ExitOn(q.Put(background, messageOf(who<<32+k)))
	}
	proctest.Say("done")
})

// Two producers and two consumers, each a process: every message comes once, whole, and in its
// producer's order.
func TestProcesses(t *testing.T) {
	const each = 20_000
	for _, capacity := range []int{1, 4, 512} {
		t.Run(fmt.Sprint("capacity=", capacity), func(t *testing.T) {
			q, path := namedQueue[checked](t, capacity, Options{}.startingAt(beforeLapWrap(uint64(capacity))))
			var consumers, producers []*proctest.Child
			for i := range 2 {
				consumers = append(consumers, proctest.Start(t, roleTraffic, path, "get"))
				producers = append(producers, proctest.Start(t, roleTraffic, path, fmt.Sprint(i), fmt.Sprint(each)))
			}
			for _, p := range producers {
				p.Expect("done")
				p.WaitOK()
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			n, sum := uint64(0), uint64(0)
			for _, c := range consumers {
				var k, s uint64
				if line := c.Line(); scan(line, &k, &s) != nil {
					t.Fatalf("a consumer said %q", line)
				}
				n, sum = n+k, sum+s
				c.WaitOK()
			}
			if want := uint64(each) << 32; n != 2*each || sum != each*(each+1)+want {
				t.Errorf("%d messages with sum %d", n, sum)
			}
			wantAbandoned(t, q, 0)
		})
	}
}

func scan(line string, values ...any) error {
	_, err := fmt.Sscan(line, values...)
	return err
}

// Producers and consumers that are killed at any time cost at most the message that each has in
// hand.
func TestKilledAtRandom(t *testing.T) {
	q, path := namedQueue[checked](t, 8, Options{})
	for round := range 20 {
		producer := proctest.Start(t, roleTraffic, path, fmt.Sprint(round+1), "1000000000")
		consumer := proctest.Start(t, roleTraffic, path, "get")
		proctest.Stagger(40 * time.Millisecond)
		kill(t, producer)
		kill(t, consumer)
		left := 0
		for ; ; left++ {
			v, err := q.TryGet()
			if err == ErrEmpty {
				break
			}
			if err != nil || v.check() != nil {
				t.Fatalf("got %v, %v, %v", v, err, v.check())
			}
		}
		usable(t, q)
		if s := q.Stats(); left > 8 || s.Abandoned > 2*uint64(round+1) {
			t.Fatalf("%d messages left, stats %+v", left, s)
		}
	}
}
