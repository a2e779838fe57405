package dict

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// A twin is a Dict and what it should hold.
type twin struct {
	m    *Map
	want map[string]string
	now  uint64            // of the false clock, in ticks
	ends map[string]uint64 // when keys expire
	word bool
}

func (w *twin) key(n int) []byte {
	if w.word {
		return binary.LittleEndian.AppendUint64(nil, uint64(n)*7)
	}
	return fmt.Append(nil, "key", n)
}

func (w *twin) value(t *rapid.T) []byte {
	if w.word {
		return binary.LittleEndian.AppendUint64(nil, rapid.Uint64().Draw(t, "value"))
	}
	n := rapid.OneOf(rapid.Just(8), rapid.IntRange(0, 40), rapid.IntRange(0, 5000), rapid.IntRange(16<<10, 100<<10)).Draw(t, "length")
	return bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "letter"))}, n)
}

func (w *twin) expire() {
	maps.DeleteFunc(w.want, func(k, _ string) bool { e := w.ends[k]; return e != 0 && e <= w.now })
}

func (w *twin) actions() map[string]func(*rapid.T) {
	draw := func(t *rapid.T) []byte { return w.key(rapid.IntRange(0, 300).Draw(t, "key")) }
	set := func(t *rapid.T, k []byte, life uint64) {
		v := w.value(t)
		must(w.m.Set(background, k, v, life))
		w.want[string(k)], w.ends[string(k)] = string(v), 0
		if life != DefaultLife && life != 0 {
			w.ends[string(k)] = w.now + life + 1
		}
	}
	return map[string]func(*rapid.T){
		"set":  func(t *rapid.T) { set(t, draw(t), DefaultLife) },
		"set2": func(t *rapid.T) { set(t, draw(t), DefaultLife) },
		"set many": func(t *rapid.T) {
			from := rapid.IntRange(0, 300).Draw(t, "from")
			for i := range 40 {
				set(t, w.key(from+i), DefaultLife)
			}
		},
		"set for": func(t *rapid.T) {
			if !w.word {
				set(t, draw(t), uint64(rapid.IntRange(1, 20).Draw(t, "life")))
			}
		},
		"delete": func(t *rapid.T) {
			k := draw(t)
			was, err := w.m.Delete(background, k)
			if _, had := w.want[string(k)]; err != nil || was != had {
				t.Fatalf("delete %q: %v, %v, want %v", k, was, err, had)
			}
			delete(w.want, string(k))
		},
		"delete many": func(t *rapid.T) {
			from := rapid.IntRange(0, 300).Draw(t, "from")
			for i := range 60 {
				k := w.key(from + i)
				_, err := w.m.Delete(background, k)
				must(err)
				delete(w.want, string(k))
			}
		},
		"change": func(t *rapid.T) {
			k := draw(t)
			old, had := w.want[string(k)]
			v := w.value(t)
			err := w.m.Change(background, k, KeepLife, func(o []byte, ok bool) ([]byte, Verdict) {
				if ok != had || string(o) != old {
					t.Fatalf("change of %q finds %v, %.20q, want %v, %.20q", k, ok, o, had, old)
				}
				return v, Put
			})
			must(err)
			if w.want[string(k)] = string(v); !had {
				w.ends[string(k)] = 0
			}
		},
		"clear": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
				must(w.m.Clear(background))
				clear(w.want)
			}
		},
		"time passes": func(t *rapid.T) {
			w.now += uint64(rapid.IntRange(0, 10).Draw(t, "ticks"))
			w.expire()
		},
		"": w.check,
	}
}

// check compares all that can be read, and what is noted about it.
func (w *twin) check(t *rapid.T) {
	got := map[string]string{}
	must(w.m.All(func(e Entry) bool {
		if _, twice := got[string(e.Key)]; twice {
			t.Fatalf("All yields %q twice", e.Key)
		}
		got[string(e.Key)] = string(e.Value)
		return true
	}))
	if !maps.Equal(got, w.want) {
		t.Fatalf("All yields %d entries, want %d", len(got), len(w.want))
	}
	for k, v := range w.want {
		if got, ok, err := w.m.Get(nil, []byte(k)); err != nil || !ok || string(got) != v {
			t.Fatalf("get %q: %.20q, %v, %v, want %.20q", k, got, ok, err, v)
		}
	}
	if err := w.m.intact(); err != nil {
		t.Fatal(err)
	}
}

func TestAgainstMap(t *testing.T) {
	for name, o := range map[string]Options{
		"records": {}, "words": {KeyBytes: 8, ValueBytes: 8},
	} {
		for _, open := range []string{"one stripe", "many"} {
			t.Run(name+", "+open, func(t *testing.T) {
				rapid.Check(t, func(r *rapid.T) {
					s := newSegment(t, 64<<20)
					defer s.Close()
					w := &twin{want: map[string]string{}, ends: map[string]uint64{}, now: 1000, word: name == "words"}
					var err error
					if open == "many" {
						w.m, err = openMap(s, o)
					} else {
						w.m, err = openSingle(s, o)
					}
					must(err)
					w.m.ticks = func() uint64 { return w.now }
					r.Repeat(w.actions())
					must(s.Remove("m"))
					w.m.o.Abandon()
					if rep, err := s.Check(); err != nil || rep.Parts != 0 || rep.UsedFor != 0 {
						r.Fatalf("after the removal: %+v, %v", rep, err)
					}
				})
			})
		}
	}
}

// A Dict with a bound holds nothing but what was set last, keeps the bound, and never fails.
func TestBoundedAgainstMap(t *testing.T) {
	const most = 256 << 10
	rapid.Check(t, func(r *rapid.T) {
		s := newSegment(t, 16<<20)
		defer s.Close()
		m, err := openSingle(s, Options{MaxBytes: most})
		must(err)
		want := map[string]string{}
		for range rapid.IntRange(1, 2000).Draw(r, "steps") {
			k := fmt.Append(nil, "key", rapid.IntRange(0, 3000).Draw(r, "key"))
			switch rapid.IntRange(0, 5).Draw(r, "what") {
			case 0:
				_, err := m.Delete(background, k)
				must(err)
				delete(want, string(k))
			case 1:
				if v, ok, err := m.Get(nil, k); err != nil || ok && string(v) != want[string(k)] {
					r.Fatalf("get %q: %.20q, %v, want %.20q", k, v, err, want[string(k)])
				}
			default:
				n := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 200), rapid.IntRange(0, 5000), rapid.IntRange(0, 60<<10)).Draw(r, "length")
				v := bytes.Repeat([]byte{byte('a' + n%26)}, n)
				if err := m.Set(background, k, v, DefaultLife); err != nil {
					r.Fatalf("set of %d bytes: %v", n, err)
				}
				want[string(k)] = string(v)
				if got := m.get(string(k)); got != string(v) {
					r.Fatalf("right after set of %d bytes: %.20q", n, got)
				}
				if b := m.Stats().Bytes; b > most {
					r.Fatalf("%d bytes are in use, at most %d are allowed", b, most)
				}
			}
		}
		if err := m.intact(); err != nil {
			r.Fatal(err)
		}
	})
}

// When the heap is full before the bound is reached, a Dict with a bound evicts, too.
func TestBoundedInAFullSegment(t *testing.T) {
	s := newSegment(t, 1<<20)
	m, err := openMap(s, Options{MaxBytes: 64 << 20})
	must(err)
	for i := range 40000 {
		m.mustSet(fmt.Sprint("key", i), fmt.Sprint("value", i, string(make([]byte, i%500))))
	}
	if n := m.Len(); n < 500 || m.Stats().Evicted == 0 {
		t.Errorf("%d keys are left: %+v", n, m.Stats())
	}
	wantIntact(t, m)
}

// Deleting in a full segment makes room, although no page is empty: for a third of the pages may be
// garbage, and not more.
func TestFullSegmentIsCleaned(t *testing.T) {
	s := newSegment(t, 1<<20)
	m, err := openMap(s, Options{})
	must(err)
	n := 0
	for ; ; n++ {
		err := m.Set(background, fmt.Append(nil, "key", n), make([]byte, 100), DefaultLife)
		if lacksRoom(err) {
			break
		}
		must(err)
	}
	for i := 0; i < n; i += 2 {
		m.mustDelete(fmt.Sprint("key", i))
	}
	again := 0
	for ; again < n/8; again++ {
		if err := m.Set(background, fmt.Append(nil, "new", again), make([]byte, 100), DefaultLife); err != nil {
			t.Fatalf("after %d of %d keys were deleted, %d new ones fit: %v", n/2, n, again, err)
		}
	}
	wantIntact(t, m)
}
