//go:build linux

package dict

import (
	"container/list"
	"fmt"
	"math/rand/v2"
	"testing"
)

// A lru is an exact cache of n keys.
type lru struct {
	n     int
	order list.List
	at    map[int]*list.Element
}

func (l *lru) get(k int) bool {
	e, ok := l.at[k]
	if ok {
		l.order.MoveToFront(e)
		return true
	}
	l.at[k] = l.order.PushFront(k)
	if l.order.Len() > l.n {
		last := l.order.Back()
		delete(l.at, last.Value.(int))
		l.order.Remove(last)
	}
	return false
}

// A bounded Dict finds nearly as many keys as an exact cache of the same size.
func TestHitRatio(t *testing.T) {
	const keys, rounds = 60_000, 400_000
	m := newMapIn(t, 16<<20, Options{MaxBytes: 1 << 20})
	value := make([]byte, 100)
	play := func(seed uint64, get func(k int) bool) (ratio float64) {
		z := rand.NewZipf(rand.New(rand.NewPCG(seed, 1)), 1.1, 1, keys-1)
		hits := 0
		for i := range rounds {
			if get(int(z.Uint64())) && i >= rounds/2 {
				hits++
			}
		}
		return float64(hits) / (rounds / 2)
	}
	ours := play(1, func(k int) bool {
		key := fmt.Append(nil, "key", k)
		_, ok, err := m.Get(nil, key)
		must(err)
		if !ok {
			must(m.Set(background, key, value, DefaultLife))
		}
		return ok
	})
	exact := lru{n: m.Len(), at: map[int]*list.Element{}}
	best := play(1, exact.get)
	t.Logf("%.4f, an exact cache of %d keys %.4f", ours, exact.n, best)
	if ours < 0.98*best {
		t.Errorf("the hit ratio is %.4f, that of an exact cache %.4f", ours, best)
	}
	wantIntact(t, m)
}

// Values of 100 bytes give way to those of 10 KB and back: nothing fails for lack of space, and the
// bound holds.
func TestSizesShift(t *testing.T) {
	const most = 4 << 20
	m := newMapIn(t, 8<<20, Options{MaxBytes: most})
	for round := range 6 {
		n := 100
		if round%2 == 1 {
			n = 10_000
		}
		for i := range 5_000_000 / n / (1 + round%2) {
			k := fmt.Append(nil, "key", round, i)
			if err := m.Set(background, k, make([]byte, n), DefaultLife); err != nil {
				t.Fatalf("round %d, value %d: %v", round, i, err)
			}
			if b := m.Stats().Bytes; i%100 == 0 && b > most {
				t.Fatalf("%d bytes are in use", b)
			}
		}
	}
	wantIntact(t, m)
}

// Garbage gives way before keys do: none is evicted while most of the bytes are of records that
// were replaced or deleted, whether the keys were read or not.
func TestGarbageIsReclaimedBeforeKeysAreEvicted(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "medium": 3000, "large": 20_000} {
		t.Run(name, func(t *testing.T) {
			const most = 4 << 20
			m := newMapIn(t, 16<<20, Options{MaxBytes: most})
			keys := 1 << 20 / size
			if size > largeBytes {
				keys /= 4 // then all of them have room under one lock
			}
			for i := range keys {
				must(m.Set(background, fmt.Append(nil, "stays", i), make([]byte, size), DefaultLife))
			}
			for i := range 4 * most / size {
				hot := fmt.Append(nil, "replaced", i%7)
				must(m.Set(background, hot, make([]byte, size), DefaultLife))
				if i%3 == 0 {
					_, err := m.Delete(background, hot)
					must(err)
				}
			}
			left := 0
			for i := range keys {
				if _, ok, err := m.Get(nil, fmt.Append(nil, "stays", i)); err != nil {
					t.Fatal(err)
				} else if ok {
					left++
				}
			}
			if s := m.Stats(); left != keys || s.Evicted != 0 || s.Bytes > most {
				t.Errorf("%d of %d keys are left, %+v", left, keys, s)
			}
			wantIntact(t, m)
		})
	}
}

// What expires in another boot of the machine is gone in this one, and the rest stays.
func TestExpiryAfterBoot(t *testing.T) {
	m := newMapIn(t, 4<<20, Options{})
	m.mustSet("stays", "x")
	must(m.Set(background, []byte("expires"), []byte("y"), 1<<20))
	if m.get("expires") != "y" {
		t.Fatal("it has expired")
	}
	for i := range m.local {
		m.stripe(uint64(i)).boot.Store(m.boot + 2)
	}
	if m.get("stays") != "x" || m.get("expires") != "-" {
		t.Errorf("after a boot: %q, %q", m.get("stays"), m.get("expires"))
	}
	must(m.Set(background, []byte("expires"), []byte("z"), 1<<20))
	if m.get("stays") != "x" || m.get("expires") != "z" || m.Len() != 2 {
		t.Errorf("after a Set: %q, %q, %d keys", m.get("stays"), m.get("expires"), m.Len())
	}
	wantIntact(t, m)
}

func TestNamespaceOffset(t *testing.T) {
	table := "monotonic           3600         5\nboottime             -1         0\n"
	if d := namespaceOffset([]byte(table)); d != 3600e9+5 {
		t.Errorf("the offset is %v", d)
	}
	if d := namespaceOffset(nil); d != 0 {
		t.Errorf("without a table the offset is %v", d)
	}
}
