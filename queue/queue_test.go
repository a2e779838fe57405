package queue

import (
	"sync"
	"testing"
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

func TestManyGoroutines(t *testing.T) {
	for _, capacity := range []int{1, 2, 8, 256} {
		q := newQueue[int64](t, capacity, Options{})
		const sides, each = 4, 2000
		var producers, consumers sync.WaitGroup
		var mu sync.Mutex
		seen := map[int64]int{}
		for g := range int64(sides) {
			producers.Go(func() {
				for i := range int64(each) {
					if err := q.Put(background, g*each+i); err != nil {
						t.Error(err)
					}
				}
			})
			consumers.Go(func() {
				last := [sides]int64{-1, -1, -1, -1}
				for v, err := range q.All(background) {
					if err != nil {
						t.Error(err)
						return
					}
					if v <= last[v/each] {
						t.Errorf("got %d after %d", v, last[v/each])
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
		if len(seen) != sides*each {
			t.Errorf("capacity %d: got %d different messages, want %d", capacity, len(seen), sides*each)
		}
		for v, n := range seen {
			if n != 1 {
				t.Errorf("message %d came %d times", v, n)
			}
		}
	}
}
