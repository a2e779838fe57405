package dict

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// While the Dict grows a thousandfold, and records move, readers find each key that was there
// before, and an iteration yields it exactly once.
func TestReadersWhileGrowing(t *testing.T) {
	for layout, o := range killOptions {
		t.Run(layout, func(t *testing.T) {
			m := newMapIn(t, 64<<20, o)
			words := layout == "words"
			stay := map[string]string{}
			for i := range 100 {
				v := string(killValue(words, i, 1))
				stay[string(killKey(words, i))] = v
				must(m.Set(background, killKey(words, i), []byte(v), DefaultLife))
			}
			var done atomic.Bool
			var readers sync.WaitGroup
			looks, walks := atomic.Int64{}, atomic.Int64{}
			readers.Go(func() {
				for !done.Load() || looks.Load() == 0 {
					for k, v := range stay {
						if got, ok, err := m.Get(nil, []byte(k)); err != nil || !ok || string(got) != v {
							t.Errorf("key %q is %v, %q, %v", k, ok, got, err)
							return
						}
					}
					looks.Add(1)
				}
			})
			readers.Go(func() {
				for !done.Load() || walks.Load() == 0 {
					got := map[string]int{}
					must(m.All(func(e Entry) bool {
						if v, ok := stay[string(e.Key)]; ok {
							got[string(e.Key)]++
							if string(e.Value) != v {
								t.Errorf("All yields %q for %q", e.Value, e.Key)
							}
						}
						return true
					}))
					for k := range stay {
						if got[k] != 1 {
							t.Errorf("All yields %q %d times", k, got[k])
							return
						}
					}
					walks.Add(1)
				}
			})
			var writers sync.WaitGroup
			for w := range 2 {
				writers.Go(func() {
					for i := range 50_000 {
						k := killKey(words, 1000+w*100_000+i)
						must(m.Set(background, k, binary.LittleEndian.AppendUint64(nil, uint64(i)), DefaultLife))
						if i%3 == 0 {
							_, err := m.Delete(background, k)
							must(err)
						}
					}
				})
			}
			writers.Wait()
			done.Store(true)
			readers.Wait()
			t.Logf("%d looks, %d walks, %+v", looks.Load(), walks.Load(), m.Stats())
			wantIntact(t, m)
		})
	}
}

// At rest no more than a third of the pages is garbage, and two pages for each stripe.
func TestGarbageIsBounded(t *testing.T) {
	for name, act := range map[string]func(m *Map, i int){
		"replaced by longer ones": func(m *Map, i int) {
			m.mustSet(fmt.Sprint("key", i%2000), string(make([]byte, i/2000*40)))
		},
		"deleted at random": func(m *Map, i int) {
			m.mustSet(fmt.Sprint("key", i), "value")
			m.mustDelete(fmt.Sprint("key", i*7919%20000))
		},
		"all deleted": func(m *Map, i int) {
			if i < 10000 {
				m.mustSet(fmt.Sprint("key", i), "value")
			} else {
				m.mustDelete(fmt.Sprint("key", i-10000))
			}
		},
	} {
		m := newMapIn(t, 64<<20, Options{})
		for i := range 20000 {
			act(m, i)
		}
		for i := range m.local {
			h := hold{m.stripe(uint64(i)), m, uint64(i), nil}
			page := min(max(nextPower(h.live/16), minPage), maxPage)
			if h.bytes > h.live+h.bytes/3+2*page+page {
				t.Errorf("%s: stripe %d has %d bytes, %d of them in use, pages of %d", name, i, h.bytes, h.live, page)
			}
		}
		wantIntact(t, m)
	}
}

func nextPower(n uint64) uint64 {
	p := uint64(1)
	for p <= n {
		p *= 2
	}
	return p
}

// Reads and changes allocate nothing.
func TestAllocations(t *testing.T) {
	for layout, o := range killOptions {
		m := newMapIn(t, 4<<20, o)
		key, value := killKey(layout == "words", 1), make([]byte, 8)
		must(m.Set(background, key, value, DefaultLife))
		dst := make([]byte, 0, 64)
		for name, f := range map[string]func(){
			"Get":    func() { dst, _, _ = m.Get(dst[:0], key) },
			"Set":    func() { must(m.Set(background, key, value, DefaultLife)) },
			"Add":    func() { m.Add(background, key, 1, 8) },
			"Delete": func() { must(m.Set(background, key, value, DefaultLife)); m.Delete(background, key) },
		} {
			if name == "Delete" && layout == "records" {
				continue // it gives pages back, and the heap of the segment allocates
			}
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s, %s: %v allocations", layout, name, n)
			}
		}
	}
}
