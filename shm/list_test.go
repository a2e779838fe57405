//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"slices"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func TestListAgainstSlice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		seg := need(shm.Create(newPath(t), small))
		defer seg.Close()
		l := need(shm.NewList[dozen](seg, "l"))
		var want []dozen
		next := int64(0)
		fresh := func() dozen { next++; return dozen{next, 1: next} }
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				var more []dozen
				for range rapid.IntRange(0, 100).Draw(r, "n") {
					more = append(more, fresh())
				}
				if i := need(l.Append(background, more...)); i != len(want) {
					r.Fatalf("appended at %d, want %d", i, len(want))
				}
				want = append(want, more...)
			},
			"pop": func(r *rapid.T) {
				v, ok, err := l.Pop(background)
				must(err)
				if ok != (len(want) > 0) || ok && v != want[len(want)-1] {
					r.Fatalf("popped %v, %v", v, ok)
				}
				want = want[:max(len(want)-1, 0)]
			},
			"set": func(r *rapid.T) {
				i, v := rapid.IntRange(0, 300).Draw(r, "i"), fresh()
				err := l.Set(background, i, v)
				if i < len(want) {
					want[i] = v
				} else if !errors.Is(err, fs.ErrInvalid) {
					r.Fatalf("set of %d of %d: %v", i, len(want), err)
				}
			},
			"update": func(r *rapid.T) {
				if i := rapid.IntRange(0, 300).Draw(r, "i"); i < len(want) {
					must(l.Update(background, i, func(v *dozen) error { v[5]++; return nil }))
					want[i][5]++
					if err := l.Update(background, i, func(v *dozen) error { v[5]++; return errMine }); err != errMine {
						r.Fatal(err)
					}
				}
			},
			"truncate": func(r *rapid.T) {
				n := rapid.IntRange(0, 400).Draw(r, "n")
				must(l.Truncate(background, n))
				want = want[:min(n, len(want))]
			},
			"": func(r *rapid.T) {
				var all, views []dozen
				for i, v := range l.All() {
					if i != len(all) {
						r.Fatalf("All yields %d, want %d", i, len(all))
					}
					all = append(all, v)
				}
				for c := range l.Chunks() {
					views = append(views, c...)
				}
				if l.Len() != len(want) || !slices.Equal(all, want) || !slices.Equal(views, want) {
					r.Fatalf("%d elements, %d, %d, want %d", l.Len(), len(all), len(views), len(want))
				}
			},
		})
		must(seg.Check())
	})
}

func TestListErrors(t *testing.T) {
	seg := newSegment(t, small)
	l := need(shm.NewList[int64](seg, "l"))
	for _, i := range []int{-1, 0, 1 << 40} {
		if _, err := l.At(i); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("element %d: %v", i, err)
		}
		if err := l.Update(background, i, func(*int64) error { return nil }); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("element %d: %v", i, err)
		}
	}
	var full *shm.NoSpaceError
	if _, err := l.Append(background, make([]int64, 1<<20)...); !errors.As(err, &full) || l.Len() != 0 {
		t.Errorf("more than the segment holds: %v, %d elements", err, l.Len())
	}
	var sent shm.List[int64]
	wantOK(t, sent.UnmarshalBinary(need(l.MarshalBinary())))
	need(l.Append(background, 1, 2, 3))
	if v := need(sent.At(2)); v != 3 {
		t.Errorf("a handle that was sent: %d", v)
	}
	if _, err := shm.OpenList[int32](seg, "l"); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a List of another type: %v", err)
	}
	wantOK(t, l.Detach())
	wantOK(t, sent.Detach())
	if _, err := l.Append(background, 1); !errors.Is(err, shm.ErrClosed) {
		t.Errorf("Append after Detach: %v", err)
	}
	if n := l.Len(); n != 0 {
		t.Errorf("Len after Detach: %d", n)
	}
}

// lister: SEGMENT, changes the List until it is killed. All parts of an element are equal.
var roleLister = proctest.Register("lister", func(args []string) {
	l := need(shm.OpenList[dozen](need(shm.Open(args[0])), "l"))
	proctest.Say("ready")
	for i := int64(1); ; i++ {
		switch i % 4 {
		case 0:
			_, _, err := l.Pop(background)
			must(err)
		case 1:
			if n := l.Len(); n > 0 {
				l.Set(background, int(i)%n, dozenOf(i)) // another lister may have popped it
			}
		default:
			need(l.Append(background, dozenOf(i)))
		}
		if l.Len() > 500 {
			must(l.Truncate(background, 20))
		}
	}
})

func dozenOf(n int64) (d dozen) {
	for i := range d {
		d[i] = n
	}
	return d
}

// Writers are killed at random: a reader sees whole elements only, and no chunk leaks.
func TestListUnderKills(t *testing.T) {
	seg := newSegment(t, small)
	l := need(shm.NewList[dozen](seg, "l"))
	ctx, cancel := context.WithCancel(background)
	var readers sync.WaitGroup
	readers.Go(func() {
		for ctx.Err() == nil {
			for i, v := range l.All() {
				if v != dozenOf(v[0]) {
					t.Errorf("element %d is torn: %v", i, v)
				}
			}
			proctest.Stagger(200e3) // with one processor the test itself needs it
		}
	})
	other := proctest.Start(t, roleLister, seg.Path())
	other.Expect("ready")
	for range 60 {
		w := proctest.Start(t, roleLister, seg.Path())
		w.Expect("ready")
		proctest.Stagger(2e6)
		w.Signal(syscall.SIGKILL)
		w.Wait()
		need(l.Append(background, dozenOf(7)))
	}
	other.Kill()
	need(l.Append(background, dozenOf(7)))
	cancel()
	readers.Wait()
	wantOK(t, seg.RemoveObject("l"))
	wantOK(t, l.Detach())
}

func TestListAllocations(t *testing.T) {
	seg := newSegment(t, small)
	l := need(shm.NewList[int64](seg, "l"))
	need(l.Append(background, make([]int64, 1000)...))
	for name, f := range map[string]func(){
		"Append": func() { need(l.Append(background, 1)) },
		"At":     func() { need(l.At(5)) },
		"Set":    func() { must(l.Set(background, 5, 6)) },
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Processes collect results.
func ExampleList() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	primes, err := shm.NewList[int64](seg, "primes")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := primes.Append(context.Background(), 2, 3, 5); err != nil {
		log.Fatal(err)
	}
	for i, p := range primes.All() {
		fmt.Println(i, p)
	}
	// Output:
	// 0 2
	// 1 3
	// 2 5
}
