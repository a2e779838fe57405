package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A queue that is closed while its producer has a place reserved ends when that is committed,
// aborted, or the producer dead.
func TestSPSCCloseWhileReserved(t *testing.T) {
	for _, end := range []string{"finishes", "dies"} {
		t.Run(end, func(t *testing.T) {
			q, path := namedSPSC(t, 4, Options{})
			child := proctest.Start(t, roleSPSC, path, "put")
			child.Expect("in the middle")
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			spscGet(t, q, 1, 1)
			_, err := q.TryGet()
			wantErr(t, err, ErrEmpty)
			var v checked
			done := proctest.MustBlock(t, func() { v, err = q.Get(background) })
			if end == "finishes" {
				child.Send("go on")
				child.Expect("finished")
				child.WaitOK()
				<-done
				if err != nil || v != messageOf(2) {
					t.Errorf("got %v, %v", v, err)
				}
			} else {
				kill(t, child)
				<-done
				wantErr(t, err, ErrClosed)
			}
			_, err = q.TryGet()
			wantErr(t, err, ErrClosed)
		})
	}
	t.Run("aborts", func(t *testing.T) {
		q := newSPSC[int64](t, 4, Options{})
		r, err := q.Reserve(background)
		wantErr(t, err, nil)
		wantErr(t, q.Close(), nil)
		var got error
		done := proctest.MustBlock(t, func() { _, got = q.Get(background) })
		wantErr(t, r.Abort(), nil)
		<-done
		wantErr(t, got, ErrClosed)
	})
}

// A message that races with Close is delivered, or its Put has returned ErrClosed: the last message
// that was put is the last one got.
func TestSPSCCloseRaces(t *testing.T) {
	for _, capacity := range []int{1, 4, 256} {
		for range 12 {
			q, path := namedSPSC(t, capacity, Options{})
			consumer := proctest.Start(t, roleSPSCTraffic, path, "get")
			producer := proctest.Start(t, roleSPSCTraffic, path, "put", "1")
			consumer.Expect("ready")
			producer.Expect("ready")
			proctest.Stagger(8 * time.Millisecond)
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			put, got := producer.Line(), consumer.Line()
			producer.WaitOK()
			consumer.WaitOK()
			if put != got {
				t.Fatalf("capacity %d: the last put is %s, the last got %s", capacity, put, got)
			}
			if s := q.Stats(); fmt.Sprint(s.Put) != put || s.Put != s.Got || s.Abandoned != 0 {
				t.Fatalf("%+v, after %s", s, put)
			}
		}
	}
}

// The same within a process, many times, where the close comes at any instruction.
func TestSPSCCloseRacesInside(t *testing.T) {
	seg := newSegment(t, bigSegment)
	for round := range 500 {
		q, err := NewSPSC[int64](seg, "q", 4, Options{})
		if err != nil {
			t.Fatal(err)
		}
		put, got := make(chan int64), make(chan int64)
		go func() {
			n := int64(1)
			for ; q.Put(background, n) == nil; n++ {
			}
			put <- n - 1
		}()
		go func() {
			last := int64(0)
			for v, err := range q.All(background) {
				if err != nil || v != last+1 {
					t.Error(v, err)
				}
				last = v
			}
			got <- last
		}()
		for range round * 10 {
			q.Closed()
		}
		q.Close()
		if p, g := <-put, <-got; p != g {
			t.Fatalf("round %d: the last put is %d, the last got %d", round, p, g)
		}
		if err := seg.RemoveObject("q"); err != nil {
			t.Fatal(err)
		}
	}
}
