package queue

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleSPSCMixed puts args[1] messages into the queue in the segment args[0], in all ways in turn,
// and closes it.
var roleSPSCMixed = proctest.Register("spsc-mixed", func(args []string) {
	q := openSPSC(args[0])
	total := uint64(0)
	proctest.ExitOn(scan(args[1], &total))
	batch := make([]checked, 7)
	for n := uint64(1); n <= total; {
		switch n % 4 {
		case 0:
			k := int(min(uint64(len(batch)), total-n+1))
			for i := range k {
				batch[i] = messageOf(n + uint64(i))
			}
			_, err := q.PutBatch(background, batch[:k])
			proctest.ExitOn(err)
			n += uint64(k)
			continue
		case 1:
			r, err := q.Reserve(background)
			proctest.ExitOn(err)
			*r.Value = messageOf(n)
			proctest.ExitOn(r.Commit())
		case 2:
			r, err := q.Reserve(background)
			proctest.ExitOn(err)
			*r.Value = messageOf(0)
			proctest.ExitOn(r.Abort())
			proctest.ExitOn(q.Put(background, messageOf(n)))
		default:
			for err := ErrFull; err == ErrFull; {
				err = q.TryPut(messageOf(n))
				if err != ErrFull {
					proctest.ExitOn(err)
				}
			}
		}
		n++
	}
	proctest.ExitOn(q.Close())
	proctest.Say("done")
})

// From one process to another every message comes once, whole and in order, in whatever ways the
// two ends put and get.
func TestSPSCProcesses(t *testing.T) {
	const total = 30_000
	for _, capacity := range []int{1, 2, 64, 1024} {
		t.Run(fmt.Sprint("capacity=", capacity), func(t *testing.T) {
			q, path := namedSPSC(t, capacity, Options{}.startingAt(^uint64(0)-500))
			child := proctest.Start(t, roleSPSCMixed, path, fmt.Sprint(total))
			last := uint64(0)
			see := func(v checked) {
				if v != messageOf(last+1) {
					t.Fatalf("got %v after %d", v, last)
				}
				last++
			}
			batch := make([]checked, 5)
			for over := false; !over; {
				var err error
				switch last % 3 {
				case 0:
					var n int
					n, err = q.GetBatch(background, batch)
					for _, v := range batch[:n] {
						see(v)
					}
				case 1:
					var p Peeked[checked]
					if p, err = q.Peek(background); err == nil {
						see(*p.Value)
						wantErr(t, p.Release(), nil)
					}
				default:
					var v checked
					if v, err = q.Get(background); err == nil {
						see(v)
					}
				}
				if over = errors.Is(err, ErrClosed); !over {
					wantErr(t, err, nil)
				}
			}
			child.Expect("done")
			child.WaitOK()
			if s := q.Stats(); last != total || s.Abandoned != 0 || s.HighWater > uint64(capacity) || s.HighWater == 0 {
				t.Errorf("%d messages, %+v", last, s)
			}
		})
	}
}
