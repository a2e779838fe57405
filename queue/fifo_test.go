package queue

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestFIFO(t *testing.T) {
	q := newQueue[int64](t, 4, Options{})
	for i := range int64(20) {
		mustPut(t, q, 3*i, 3*i+1, 3*i+2)
		mustGet(t, q, 3*i, 3*i+1, 3*i+2)
	}
	_, err := q.TryGet()
	wantErr(t, err, ErrEmpty)
}

// A55: exactly as many messages as the capacity says fit, whatever was asked for.
func TestExactCapacity(t *testing.T) {
	for asked, want := range map[int]int{1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 1000: 1024} {
		t.Run(fmt.Sprint("asked=", asked), func(t *testing.T) {
			q := newQueue[int32](t, asked, Options{})
			if q.Cap() != want {
				t.Fatalf("capacity %d, want %d", q.Cap(), want)
			}
			for round := range 3 {
				for i := range want {
					if q.Len() != i {
						t.Fatalf("round %d: length %d with %d messages", round, q.Len(), i)
					}
					mustPut(t, q, int32(i))
				}
				wantErr(t, q.TryPut(-1), ErrFull)
				for i := range want {
					mustGet(t, q, int32(i))
				}
				_, err := q.TryGet()
				wantErr(t, err, ErrEmpty)
			}
		})
	}
}

// The ring goes on where the lap and the position wrap around.
func TestStartsBelowWrapAround(t *testing.T) {
	for _, capacity := range []uint64{1, 2, 8} {
		for name, start := range map[string]uint64{"lap": beforeLapWrap(capacity), "position": beforePositionWrap(capacity)} {
			t.Run(fmt.Sprintf("%s/capacity=%d", name, capacity), func(t *testing.T) {
				q := newQueue[uint64](t, int(capacity), Options{}.startingAt(start))
				for round := range uint64(5) {
					for i := range capacity {
						mustPut(t, q, round*capacity+i)
					}
					wantErr(t, q.TryPut(0), ErrFull)
					if q.Len() != int(capacity) {
						t.Errorf("length %d, want %d", q.Len(), capacity)
					}
					for i := range capacity {
						mustGet(t, q, round*capacity+i)
					}
				}
				if s := q.Stats(); s.Put-start != 5*capacity || s.Got != s.Put {
					t.Errorf("stats %+v from %d", s, start)
				}
				storm(t, newQueue[int64](t, int(capacity), Options{}.startingAt(start)), 2, 500)
			})
		}
	}
}

func TestManyGoroutines(t *testing.T) {
	for _, capacity := range []int{1, 2, 8, 256} {
		t.Run(fmt.Sprint("capacity=", capacity), func(t *testing.T) {
			storm(t, newQueue[int64](t, capacity, Options{}), 4, 2000)
		})
	}
}

// storm lets as many goroutines put as get, closes the queue, and checks that each message came
// once, and those of a producer in order.
func storm(t *testing.T, q *Queue[int64], sides int, each int64) {
	t.Helper()
	var producers, consumers sync.WaitGroup
	var mu sync.Mutex
	seen := map[int64]int{}
	for g := range int64(sides) {
		producers.Go(func() {
			for i := range each {
				if err := q.Put(background, g*each+i); err != nil {
					t.Error(err)
				}
			}
		})
		consumers.Go(func() {
			last := map[int64]int64{}
			for v, err := range q.All(background) {
				if err != nil {
					t.Error(err)
					return
				}
				if before, ok := last[v/each]; ok && v <= before {
					t.Errorf("got %d after %d", v, before)
				}
				last[v/each] = v
				mu.Lock()
				seen[v]++
				mu.Unlock()
			}
		})
	}
	producers.Wait()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	consumers.Wait()
	if int64(len(seen)) != int64(sides)*each {
		t.Errorf("got %d different messages, want %d", len(seen), int64(sides)*each)
	}
	for v, n := range seen {
		if n != 1 {
			t.Errorf("message %d came %d times", v, n)
		}
	}
	if s := q.Stats(); s.Abandoned != 0 || s.Put != s.Got {
		t.Errorf("stats at the end: %+v", s)
	}
}

// A sequence of operations by one goroutine does what a slice would do.
func TestModel(t *testing.T) {
	seg := newSegment(t, bigSegment)
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		made++
		capacity := 1 << rapid.IntRange(0, 3).Draw(t, "log2 of the capacity")
		start := rapid.SampledFrom([]uint64{0, beforeLapWrap(uint64(capacity)), beforePositionWrap(uint64(capacity))}).Draw(t, "start")
		name := fmt.Sprint("model", made)
		q, err := NewQueue[uint32](seg, name, capacity, Options{}.startingAt(start))
		if err != nil {
			t.Fatal(err)
		}
		defer seg.RemoveObject(name)
		m := &model{q: q, capacity: capacity}
		t.Repeat(map[string]func(*rapid.T){"put": m.put, "get": m.get, "close": m.close, "": m.check})
	})
}

// A model is a queue beside the slice that it must be like.
type model struct {
	q        *Queue[uint32]
	capacity int
	want     []uint32
	closed   bool
	next     uint32
}

func (m *model) put(t *rapid.T) {
	m.next++
	var want error
	switch {
	case m.closed:
		want = ErrClosed
	case len(m.want) == m.capacity:
		want = ErrFull
	default:
		m.want = append(m.want, m.next)
	}
	if err := m.q.TryPut(m.next); !errors.Is(err, want) {
		t.Fatalf("put: %v, want %v", err, want)
	}
}

func (m *model) get(t *rapid.T) {
	v, err := m.q.TryGet()
	switch {
	case len(m.want) > 0:
		if err != nil || v != m.want[0] {
			t.Fatalf("get: %d, %v, want %d", v, err, m.want[0])
		}
		m.want = m.want[1:]
	case m.closed && !errors.Is(err, ErrClosed), !m.closed && err != ErrEmpty:
		t.Fatalf("get from the empty queue: %d, %v", v, err)
	}
}

func (m *model) close(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "really") > 0 {
		return
	}
	if err := m.q.Close(); err != nil {
		t.Fatal(err)
	}
	m.closed = true
}

func (m *model) check(t *rapid.T) {
	s := m.q.Stats()
	if m.q.Len() != len(m.want) || s.Put-s.Got != uint64(len(m.want)) || s.Abandoned != 0 || m.q.Closed() != m.closed {
		t.Fatalf("length %d, stats %+v, closed %v; want %d messages, closed %v", m.q.Len(), s, m.q.Closed(), len(m.want), m.closed)
	}
}
