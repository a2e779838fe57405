package queue

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A middleCast makes, or finds, a broadcast, and returns how to put a number, and how to subscribe
// a reader, which gets numbers without waiting.
type middleCast func(t *testing.T, seg *shm.Segment) (put func(int64) error, subscribe func() func() (int64, error))

var middleCasts = map[string]middleCast{
	"waits":      valuesCast(Options{}),
	"many":       valuesCast(Options{Writers: Many}),
	"overwrites": valuesCast(Options{WhenFull: DropOldest}),
	"Bytes": func(t *testing.T, seg *shm.Segment) (func(int64) error, func() func() (int64, error)) {
		b, err := NewBroadcastBytes(seg, "b", 1<<17, Options{})
		wantErr(t, err, nil)
		return func(v int64) error { return b.TryPut(message(v)) }, func() func() (int64, error) {
			r, err := b.Subscribe(FromNewest)
			wantErr(t, err, nil)
			return func() (int64, error) { return number(r.TryGet()) }
		}
	},
	"Objects": func(t *testing.T, seg *shm.Segment) (func(int64) error, func() func() (int64, error)) {
		b, err := NewBroadcastObjects[int64](seg, "b", 1<<17, Options{})
		wantErr(t, err, nil)
		return b.TryPut, func() func() (int64, error) {
			r, err := b.Subscribe(FromNewest)
			wantErr(t, err, nil)
			return r.TryGet
		}
	},
}

// middleCapacity is how many messages a round may put: so many that no reader is too slow.
const middleCapacity = 1 << 11

// valuesCast is a broadcast of numbers of fixed size, which are put in all ways.
func valuesCast(o Options) middleCast {
	return func(t *testing.T, seg *shm.Segment) (func(int64) error, func() func() (int64, error)) {
		b, err := NewBroadcast[int64](seg, "b", middleCapacity, o)
		wantErr(t, err, nil)
		ways := func(v int64) (err error) {
			switch v % 3 {
			case 0:
				return b.TryPut(v)
			case 1:
				n, err := b.PutBatch(background, []int64{v})
				if n == 1 {
					err = nil
				}
				return err
			}
			r, err := b.Reserve(background)
			if err == nil {
				*r.Value = v
				err = r.Commit()
			}
			return err
		}
		return ways, func() func() (int64, error) {
			r, err := b.Subscribe(FromNewest)
			wantErr(t, err, nil)
			return r.TryGet
		}
	}
}

// The same of broadcasts: readers of the process that stays see each message that was sent, and no
// other.
func TestBroadcastSegmentClosedInTheMiddle(t *testing.T) {
	for name, make := range middleCasts {
		t.Run(name, func(t *testing.T) {
			rounds := 60
			if testing.Short() {
				rounds = 15
			}
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			defer seg.Close()
			_, subscribe := make(t, seg)
			get := subscribe()
			for round := range rounds {
				castInTheMiddle(t, make, path, round, get)
			}
		})
	}
}

func castInTheMiddle(t *testing.T, make middleCast, path string, round int, get func() (int64, error)) {
	leaving := reopen(t, path)
	put, subscribe := make(t, leaving)
	var sent []int64
	var all sync.WaitGroup
	all.Go(func() {
		for v := int64(round)<<20 + 1; len(sent) < middleCapacity/2; v++ {
			err := put(v)
			if over(t, err) {
				return
			}
			if err == nil {
				sent = append(sent, v)
			}
		}
	})
	next := subscribe()
	all.Go(func() { // a reader that leaves, too
		for last := int64(0); ; {
			v, err := next()
			if over(t, err) {
				return
			}
			if err == nil && v <= last {
				t.Errorf("%x follows %x", v, last)
			}
			last = max(last, v)
		}
	})
	proctest.Stagger(500 * time.Microsecond)
	wantErr(t, leaving.Close(), nil)
	all.Wait()
	var seen []int64
	for {
		v, err := get()
		if err != nil {
			wantErr(t, err, ErrEmpty)
			break
		}
		seen = append(seen, v)
	}
	if !slices.Equal(sent, seen) {
		t.Fatalf("round %d: %d were sent, %d seen, up to %x and %x", round, len(sent), len(seen), last(sent), last(seen))
	}
}

func last(vs []int64) int64 {
	if len(vs) == 0 {
		return 0
	}
	return vs[len(vs)-1]
}
