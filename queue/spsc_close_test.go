package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// attachSPSC opens the queue through an attachment of its own, as another process would.
func attachSPSC(t *testing.T, path string) (*SPSC[int64], *shm.Segment) {
	t.Helper()
	seg := reopen(t, path)
	q, err := OpenSPSC[int64](seg, "q", Options{})
	wantErr(t, err, nil)
	return q, seg
}

// A process that closes the segment while it puts, or gets, has done each operation or has not: the
// process that takes over finds neither a gap nor a message twice.
func TestSPSCSegmentClosedInTheMiddle(t *testing.T) {
	_, path := namedQueue[int64](t, 1, Options{}) // not used; makes the segment
	owner := reopen(t, path)
	if err := owner.RemoveObject("q"); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSPSC[int64](owner, "q", 4, Options{}); err != nil {
		t.Fatal(err)
	}
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	put, got := make(chan int64), make(chan int64)
	sent, received := int64(0), int64(0)
	for round := range rounds {
		producer, one := attachSPSC(t, path)
		consumer, two := attachSPSC(t, path)
		go func(n int64) {
			for ; ; n++ {
				var err error
				if n%3 == 0 {
					r, e := producer.Reserve(background)
					if err = e; err == nil {
						*r.Value = n + 1
						err = r.Commit()
					}
				} else {
					err = producer.Put(background, n+1)
				}
				if err != nil {
					if !errors.Is(err, shm.ErrClosed) {
						t.Error(err)
					}
					put <- n
					return
				}
			}
		}(sent)
		go func(n int64) {
			for ; ; n++ {
				v, err := consumer.Get(background)
				if err != nil {
					if !errors.Is(err, shm.ErrClosed) {
						t.Error(err)
					}
					got <- n
					return
				}
				if v != n+1 {
					t.Errorf("got %d after %d", v, n)
				}
			}
		}(received)
		proctest.Stagger(350 * time.Microsecond)
		if round%2 == 0 {
			one, two = two, one
		}
		for _, seg := range []*shm.Segment{one, two} {
			if err := seg.Close(); err != nil {
				t.Fatal(err)
			}
		}
		sent, received = <-put, <-got
		if t.Failed() || received > sent || sent-received > 4 {
			t.Fatalf("round %d: sent %d, received %d", round, sent, received)
		}
	}
	last, _ := attachSPSC(t, path)
	for v := received + 1; v <= sent; v++ {
		if got, err := last.TryGet(); err != nil || got != v {
			t.Fatalf("got %d, %v, want %d", got, err, v)
		}
	}
	_, err := last.TryGet()
	wantErr(t, err, ErrEmpty)
	t.Logf("%d messages", sent)
}

// Close of the segment does not wait for a place that is reserved, or a message that is looked at.
// Neither can be ended any more.
func TestSPSCSegmentClosedWhileReserved(t *testing.T) {
	q, path := namedSPSC(t, 4, Options{})
	spscPut(t, q, 1, 1)
	r, err := q.Reserve(background)
	wantErr(t, err, nil)
	p, err := q.Peek(background)
	wantErr(t, err, nil)
	if err := q.o.Seg.Close(); err != nil {
		t.Fatal(err)
	}
	*r.Value = messageOf(9)
	wantErr(t, r.Commit(), shm.ErrClosed)
	wantErr(t, p.Release(), shm.ErrClosed)
	for range 2 {
		wantErr(t, q.TryPut(messageOf(1)), shm.ErrClosed)
		wantErr(t, q.Put(background, messageOf(1)), shm.ErrClosed)
		_, err = q.TryGet()
		wantErr(t, err, shm.ErrClosed)
		_, err = q.Get(background)
		wantErr(t, err, shm.ErrClosed)
		_, err = q.GetBatch(background, make([]checked, 1))
		wantErr(t, err, shm.ErrClosed)
		_, err = q.PutBatch(background, make([]checked, 1))
		wantErr(t, err, shm.ErrClosed)
		_, err = q.Reserve(background)
		wantErr(t, err, shm.ErrClosed)
		_, err = q.Peek(background)
		wantErr(t, err, shm.ErrClosed)
		wantErr(t, q.Close(), shm.ErrClosed)
	}
	q2, err := OpenSPSC[checked](reopen(t, path), "q", Options{})
	wantErr(t, err, nil)
	spscPut(t, q2, 2, 2)
	spscGet(t, q2, 1, 2)
	spscAbandoned(t, q2, 1)
	spscUsable(t, q2)
}

// A61: close wakes both ends, wherever they sleep, and does not leave it to them to look again.
func TestSPSCCloseWakes(t *testing.T) {
	q, path := namedSPSC(t, 1, Options{})
	consumer := proctest.Start(t, roleSPSCTraffic, path, "get")
	consumer.Expect("ready")
	asleep.Await(t, q.o.Seg, 1)
	wantErr(t, q.Close(), nil)
	consumer.Expect("0")
	consumer.WaitOK()

	q, path = namedSPSC(t, 1, Options{})
	producer := proctest.Start(t, roleSPSCTraffic, path, "put", "1")
	producer.Expect("ready")
	asleep.Await(t, q.o.Seg, 1)
	wantErr(t, q.Close(), nil)
	producer.Expect("1")
	producer.WaitOK()
	spscGet(t, q, 1, 1)
	_, err := q.TryGet()
	wantErr(t, err, ErrClosed)
}

// A61: without a waiter there is no wake-up: no system call is made for it.
func TestSPSCNoWakeWithoutWaiters(t *testing.T) {
	q := newSPSC[int64](t, 2, Options{})
	for i := range int64(1000) {
		wantErr(t, q.TryPut(i), nil)
		_, err := q.TryGet()
		wantErr(t, err, nil)
	}
	if q.usedEvents() {
		t.Error("the events were used")
	}
}
