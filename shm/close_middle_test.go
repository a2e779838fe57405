package shm_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A count is an object on which goroutines of a process count, each for itself.
type count struct {
	// add counts one more for goroutine g, which has counted n so far.
	add func(ctx context.Context, g, n int) error
	// counted is how far goroutine g has come, as a process sees it that stays.
	counted func(stays *shm.Segment, g int) (int, error)
}

// counters are the objects of which a change returns an error, by name.
var counters = map[string]func(seg *shm.Segment) count{
	"Dict": func(seg *shm.Segment) count {
		d := need(shm.NewDict[int64, int64](seg, "dict", shm.DictOptions{}))
		return count{
			func(ctx context.Context, g, n int) error { return d.Set(ctx, int64(g), int64(n+1)) },
			func(s *shm.Segment, g int) (int, error) {
				v, _, err := need(shm.OpenDict[int64, int64](s, "dict")).Get(int64(g))
				return int(v), err
			},
		}
	},
	"Dict of strings": func(seg *shm.Segment) count {
		d := need(shm.NewDict[string, string](seg, "strings", shm.DictOptions{}))
		return count{
			func(ctx context.Context, g, n int) error { return d.Set(ctx, fmt.Sprint(g), fmt.Sprint(n+1)) },
			func(s *shm.Segment, g int) (n int, err error) {
				v, ok, err := need(shm.OpenDict[string, string](s, "strings")).Get(fmt.Sprint(g))
				if ok {
					fmt.Sscan(v, &n)
				}
				return n, err
			},
		}
	},
	"Dict, Add": func(seg *shm.Segment) count {
		d := need(shm.NewDict[int64, int64](seg, "sums", shm.DictOptions{}))
		return count{
			func(ctx context.Context, g, _ int) error { _, err := shm.Add(ctx, d, int64(g), 1); return err },
			func(s *shm.Segment, g int) (int, error) {
				v, _, err := need(shm.OpenDict[int64, int64](s, "sums")).Get(int64(g))
				return int(v), err
			},
		}
	},
	"List": func(seg *shm.Segment) count {
		l := need(shm.NewList[int64](seg, "list"))
		return count{
			func(ctx context.Context, g, _ int) error { _, err := l.Append(ctx, int64(g)); return err },
			func(s *shm.Segment, g int) (n int, err error) {
				for _, v := range need(shm.OpenList[int64](s, "list")).All() {
					if v == int64(g) {
						n++
					}
				}
				return n, nil
			},
		}
	},
	"Array": func(seg *shm.Segment) count {
		a := need(shm.NewArray[int64](seg, "array", middle))
		return count{
			func(ctx context.Context, g, n int) error { return a.Set(ctx, g, int64(n+1)) },
			func(s *shm.Segment, g int) (int, error) {
				v, err := need(shm.OpenArray[int64](s, "array")).At(background, g)
				return int(v), err
			},
		}
	},
	"Value": func(seg *shm.Segment) count {
		v := need(shm.NewValue(seg, "value", [middle]int64{}))
		return count{
			func(ctx context.Context, g, _ int) error {
				return v.Update(ctx, func(a *[middle]int64) error { a[g]++; return nil })
			},
			func(s *shm.Segment, g int) (int, error) {
				a, err := need(shm.OpenValue[[middle]int64](s, "value")).Load()
				return int(a[g]), err
			},
		}
	},
	"Var": func(seg *shm.Segment) count {
		v := need(shm.NewVar(seg, "var", map[string]int64{}))
		return count{
			func(ctx context.Context, g, _ int) error {
				return v.Update(ctx, func(old map[string]int64) (map[string]int64, error) {
					next := map[string]int64{fmt.Sprint(g): 0}
					maps.Copy(next, old)
					next[fmt.Sprint(g)]++
					return next, nil
				})
			},
			func(s *shm.Segment, g int) (int, error) {
				m, err := need(shm.OpenVar[map[string]int64](s, "var")).Load()
				return int(m[fmt.Sprint(g)]), err
			},
		}
	},
}

// middle is how many goroutines count.
const middle = 4

// A process that closes the segment in the middle of its changes has made each that returned nil,
// once, and none that returned an error.
func TestSegmentClosedInTheMiddle(t *testing.T) {
	for name, make := range counters {
		t.Run(name, func(t *testing.T) {
			rounds := 40
			if testing.Short() {
				rounds = 10
			}
			for range rounds {
				countInTheMiddle(t, make)
			}
		})
	}
}

func countInTheMiddle(t *testing.T, make func(*shm.Segment) count) {
	path := newPath(t)
	stays := need(shm.Create(path, shm.Options{Size: 4 << 20, Objects: 64, Processes: 16}))
	defer stays.Close()
	leaving := need(shm.Open(path))
	c := make(leaving)
	var counted [middle]int
	var all sync.WaitGroup
	for g := range middle {
		all.Go(func() {
			for n := 0; n < 1000; n++ { // the segment has room for so many
				if err := c.add(background, g, n); err != nil {
					wantErr(t, err, shm.ErrClosed)
					return
				}
				counted[g]++
			}
		})
	}
	proctest.Stagger(time.Millisecond)
	wantOK(t, leaving.Close())
	all.Wait()
	for g := range middle {
		if n, err := c.counted(stays, g); err != nil || n != counted[g] {
			t.Fatalf("goroutine %d has counted %d; others see %d, %v", g, counted[g], n, err)
		}
	}
	wantOK(t, stays.Check())
}
