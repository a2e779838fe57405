//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// keys are those that are always there.
const keys = 50

func dictUses[V any](seg *shm.Segment, kind string, capacity int, maxBytes int64, make func(n int) V, same func(a, b V) bool) []proctest.Use {
	name := "dict " + kind
	d := need(shm.NewDict[int64, V](seg, name, shm.DictOptions{Capacity: capacity, MaxBytes: maxBytes}))
	for k := range int64(keys) {
		must(d.Set(background, k, make(int(k))))
	}
	is := func(k int64, v V, ok bool, err error) error {
		return right(err, err != nil || ok && same(v, make(int(k))) || !ok && maxBytes > 0, "key %d: %v, %v, %+v", k, v, ok, d.Stats())
	}
	missing := int64(-1)
	return []proctest.Use{
		{Name: name + " Get", Do: func(i int) error {
			k := int64(i % keys)
			v, ok, err := d.Get(k)
			return is(k, v, ok, err)
		}},
		{Name: name + " Get a missing one", Do: func(int) error {
			_, ok, err := d.Get(missing)
			return right(err, !ok, "found")
		}},
		{Name: name + " Set", Do: func(i int) error { return d.Set(background, int64(i%keys), make(i%keys)) }},
		{Name: name + " Swap", Do: func(i int) error {
			k := int64(i % keys)
			v, ok, err := d.Swap(background, k, make(int(k)))
			return is(k, v, ok, err)
		}},
		{Name: name + " GetOrSet", Do: func(i int) error {
			k := int64(i % keys)
			v, ok, err := d.GetOrSet(background, k, make(int(k)))
			return is(k, v, ok, err)
		}},
		{Name: name + " Update", Do: func(i int) error {
			k := int64(i % keys)
			var seen error
			_, err := d.Update(background, k, func(v V, ok bool) (V, error) {
				seen = is(k, v, ok, nil)
				return make(int(k)), nil
			})
			return errors.Join(seen, err)
		}},
		{Name: name + " Do", Do: func(i int) error {
			k := int64(i % keys)
			v, err := d.Do(background, k, func(context.Context) (V, error) {
				return *new(V), fmt.Errorf("key %d is filled, %+v", k, d.Stats())
			})
			return is(k, v, true, err)
		}},
		{Name: name + " set and Take", Do: func(i int) error {
			if err := d.Set(background, 1000, make(7)); err != nil {
				return room(err)
			}
			v, ok, err := d.Take(background, 1000)
			return right(err, err != nil || ok && same(v, make(7)), "%v, %v", v, ok)
		}},
		{Name: name + " set and Delete", Do: func(i int) error {
			k := int64(2000 + i%500)
			if err := d.Set(background, k, make(7)); err != nil {
				return room(err)
			}
			was, err := d.Delete(background, k)
			return right(err, was, "it was not there")
		}},
		{Name: name + " fill and Delete", Do: func(i int) error {
			v, err := d.Do(background, 3000, func(context.Context) (V, error) { return make(9), nil })
			if err != nil {
				return room(err)
			}
			if _, err := d.Delete(background, 3000); err != nil {
				return err
			}
			return right(nil, same(v, make(9)), "%v", v)
		}},
		{Name: name + " All", Silent: true, Do: func(int) error {
			for k, v := range d.All() {
				if k < keys && !same(v, make(int(k))) {
					return fmt.Errorf("key %d: %v", k, v)
				}
			}
			return nil
		}},
		{Name: name + " Len and Stats", Silent: true, Do: func(int) error {
			return right(nil, d.Len() >= 0 && d.Stats().Keys >= 0, "negative")
		}},
		{Name: "Open " + name, Do: func(i int) error {
			e, err := shm.OpenDict[int64, V](seg, name)
			if err != nil {
				return err
			}
			defer e.Detach()
			k := int64(i % keys)
			v, ok, err := e.Get(k)
			return is(k, v, ok, err)
		}},
		{Name: name + " marshal", Do: func(i int) error {
			b, err := d.MarshalBinary()
			if err != nil {
				return err
			}
			var e shm.Dict[int64, V]
			if err := e.UnmarshalBinary(b); err != nil {
				return err
			}
			defer e.Detach()
			k := int64(i % keys)
			v, ok, err := e.Get(k)
			return is(k, v, ok, err)
		}},
	}
}

func addUses(seg *shm.Segment) []proctest.Use {
	d := need(shm.NewDict[int64, int64](seg, "sums", shm.DictOptions{Capacity: 10_000}))
	must(d.Set(background, 1, 1))
	c := need(shm.NewDict[int64, string](seg, "cleared", shm.DictOptions{Capacity: 10_000}))
	return []proctest.Use{
		{Name: "Add", Do: func(int) error {
			sum, err := shm.Add(background, d, 1, 1)
			return right(err, sum >= 2, "the sum is %d", sum)
		}},
		{Name: "CompareAndSwap", Do: func(int) error {
			_, err := shm.CompareAndSwap(background, d, 1, 0, 1)
			return err
		}},
		{Name: "Set and Clear", Do: func(int) error {
			if err := c.Set(background, 1, "one"); err != nil {
				return err
			}
			return c.Clear(background)
		}},
	}
}

func varUses(seg *shm.Segment, kind string, n int) []proctest.Use {
	name := "var " + kind
	valid := func(s string) bool { return s != "" && s == strings.Repeat(s[:1], len(s)) && len(s) >= n }
	value := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), n+i%100) }
	v := need(shm.NewVar(seg, name, value(0)))
	return []proctest.Use{
		{Name: name + " Load", Do: func(int) error {
			s, err := v.Load()
			return right(err, err != nil || valid(s), "%.20q", s)
		}},
		{Name: name + " Store", Do: func(i int) error { return v.Store(background, value(i)) }},
		{Name: name + " Update", Do: func(i int) error {
			return v.Update(background, func(old string) (string, error) {
				return value(i), right(nil, valid(old), "%.20q", old)
			})
		}},
		{Name: name + " Wait", Do: func(i int) error {
			s, revision, err := v.Wait(background, 0)
			return right(err, err != nil || valid(s) && revision > 0, "%d: %.20q", revision, s)
		}},
		{Name: name + " Changes", Do: func(i int) error {
			n := 0
			for s, err := range v.Changes(background) {
				if err != nil || !valid(s) {
					return right(err, false, "%.20q", s)
				}
				if n++; n == 3 {
					break
				}
			}
			return nil
		}},
		{Name: "Open " + name, Do: func(i int) error {
			w, err := shm.OpenVar[string](seg, name)
			if err != nil {
				return err
			}
			defer w.Detach()
			s, err := w.Load()
			return right(err, err != nil || valid(s), "%.20q", s)
		}},
	}
}

func listUses[T any](seg *shm.Segment, kind string, element func(int) T, same func(a, b T) bool) []proctest.Use {
	name := "list " + kind
	l := need(shm.NewList[T](seg, name))
	for i := l.Len(); i < keys; i++ {
		need(l.Append(background, element(i)))
	}
	is := func(i int, e T, err error) error {
		return right(err, err != nil || same(e, element(i)), "element %d is another", i)
	}
	return []proctest.Use{
		{Name: name + " At", Do: func(i int) error {
			e, err := l.At(i % keys)
			return is(i%keys, e, err)
		}},
		{Name: name + " Set", Do: func(i int) error { return l.Set(background, i%keys, element(i%keys)) }},
		{Name: name + " Update", Do: func(i int) error {
			var seen error
			err := l.Update(background, i%keys, func(e *T) error { seen = is(i%keys, *e, nil); return nil })
			if err != nil {
				return err
			}
			return seen
		}},
		{Name: name + " Append and Pop", Do: func(i int) error {
			if _, err := l.Append(background, element(5), element(5), element(5)); err != nil {
				return room(err)
			}
			for range 3 {
				e, ok, err := l.Pop(background)
				if err != nil || !ok {
					return right(err, false, "there is none")
				}
				if err := is(5, e, nil); err != nil {
					return err
				}
			}
			return nil
		}},
		{Name: name + " Truncate", Do: func(int) error { return l.Truncate(background, 1<<40) }},
		{Name: name + " At behind the end", Do: func(int) error {
			_, err := l.At(1 << 40)
			if errors.Is(err, fs.ErrInvalid) {
				return nil
			}
			return right(err, false, "found")
		}},
		{Name: name + " All", Silent: true, Do: func(int) error {
			for i, e := range l.All() {
				if i < keys && !same(e, element(i)) {
					return fmt.Errorf("element %d is another", i)
				}
			}
			return nil
		}},
		{Name: name + " Chunks", Silent: true, Do: func(int) error {
			for c := range l.Chunks() {
				if len(c) == 0 {
					return errors.New("an empty chunk")
				}
				_ = c[len(c)-1]
			}
			return nil
		}},
		{Name: "Open " + name, Do: func(i int) error {
			k, err := shm.OpenList[T](seg, name)
			if err != nil {
				return err
			}
			defer k.Detach()
			e, err := k.At(i % keys)
			return is(i%keys, e, err)
		}},
	}
}

func text(n int) string { return strings.Repeat(string(rune('a'+n%26)), 10+n) }

// leaveUses is every operation of this package, on small objects and on large ones.
func leaveUses(seg *shm.Segment) (uses []proctest.Use) {
	for _, more := range [][]proctest.Use{
		valueUses(seg, "kept", func(b *keptBlock) []int64 { return b[:] }),
		valueUses(seg, "empty", func(b *emptyBlock) []int64 { return b[:] }),
		arrayUses(seg, "kept", keptElements),
		arrayUses(seg, "empty", emptyElements),
		atomicUses(seg),
		segmentUses(seg),
		dictUses(seg, "of words", 100, 0, func(n int) int64 { return int64(n) + 1 }, func(a, b int64) bool { return a == b }),
		dictUses(seg, "of words, empty", 100_000, 0, func(n int) int64 { return int64(n) + 1 }, func(a, b int64) bool { return a == b }),
		dictUses(seg, "of texts", 100, 0, text, func(a, b string) bool { return a == b }),
		dictUses(seg, "of texts, bounded", 100_000, 1<<20, text, func(a, b string) bool { return a == b }),
		addUses(seg),
		varUses(seg, "short", 10),
		varUses(seg, "long", 100_000),
		listUses(seg, "of numbers", func(i int) int64 { return int64(i) + 1 }, func(a, b int64) bool { return a == b }),
		listUses(seg, "of blocks", func(i int) [10_000]byte { return [10_000]byte{0: byte(i), 9_999: byte(i) + 1} },
			func(a, b [10_000]byte) bool { return a == b }),
	} {
		uses = append(uses, more...)
	}
	return uses
}

// Operations of all kinds that meet the Close of their segment have a right result or say that it
// is closed. None concludes anything from memory that this process has just left.
func TestResultsAgainstClose(t *testing.T) {
	keeper := newSegment(t, shm.Options{Size: 64 << 20, Objects: 256, Processes: 16})
	for range leaves() {
		seg := need(shm.FromFile(keeper.File()))
		proctest.Leave(t, 8, shm.ErrClosed, closeBusy(seg), leaveUses(seg)...)
		if t.Failed() {
			return
		}
	}
}

// closeBusy closes a segment in which operations are under way. On a busy machine one may hold a
// lock for longer than Close waits.
func closeBusy(seg *shm.Segment) func() error {
	return func() error {
		err := seg.Close()
		if errors.As(err, new(*shm.HeldError)) {
			return nil
		}
		return err
	}
}

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

// leaves is how often a test leaves.
func leaves() int {
	switch {
	case long:
		return 3000
	case testing.Short():
		return 40
	}
	return 200
}
