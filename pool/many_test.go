package pool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A backlog as small as it may be, and many callers that want a place in it: each gets one.
func TestTinyBacklog(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		for _, workers := range []int{1, 2} {
			p := newPool(pool.Options{Workers: workers, Backlog: workers})
			ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
			defer cancel()
			var all sync.WaitGroup
			for g := range int64(12) {
				all.Go(func() {
					for i := range int64(100) {
						switch (g + i) % 3 {
						case 0:
							wantSquare(t, g+i)(pool.Apply(ctx, p, square, g+i))
						case 1:
							f, err := pool.ApplyAsync(ctx, p, square, g+i)
							if err != nil {
								t.Error(err)
								return
							}
							wantSquare(t, g+i)(f.Get(ctx))
						default:
							if got, err := pool.Map(ctx, p, square, []int64{g, i}); err != nil || got[0] != g*g || got[1] != i*i {
								t.Errorf("%v, %v", got, err)
							}
						}
					}
				})
			}
			all.Wait()
		}
	})
}

// Fifty goroutines use one pool in every way at once; then it is closed, or terminated, under them.
func TestManyUsers(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		for _, end := range []string{"at rest", "close", "terminate"} {
			t.Run(end, func(t *testing.T) { testManyUsers(t, newPool(pool.Options{Workers: 3, Backlog: 20}), end) })
		}
	})
}

func testManyUsers(t *testing.T, p *pool.Pool, end string) {
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Hang)
	defer cancel()
	u := user{t: t, p: p, mayBeClosed: end != "at rest"}
	var all sync.WaitGroup
	for g := range int64(50) {
		all.Go(func() {
			for i := range int64(20) {
				u.use(ctx, g*100+i)
			}
		})
	}
	switch end {
	case "close":
		proctest.Stagger(40 * time.Millisecond)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	case "terminate":
		proctest.Stagger(40 * time.Millisecond)
		if err := p.Terminate(0); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if ctx.Err() != nil {
		t.Error("it hangs")
	}
	if end == "at rest" {
		wantNothingLeft(t, p)
	}
}

// A user does one of many things with a pool, and checks the outcome.
type user struct {
	t           *testing.T
	p           *pool.Pool
	mayBeClosed bool
}

func (u user) want(n, got int64, err error) {
	u.t.Helper()
	if u.mayBeClosed && errors.Is(err, pool.ErrClosed) {
		return
	}
	wantSquare(u.t, n)(got, err)
}

func (u user) use(ctx context.Context, n int64) {
	switch n % 8 {
	case 0, 1:
		got, err := pool.Apply(ctx, u.p, square, n)
		u.want(n, got, err)
	case 2:
		f, err := pool.ApplyAsync(ctx, u.p, square, n)
		if err != nil {
			u.want(n, 0, err)
			return
		}
		f.OnResult(func(got int64) { u.want(n, got, nil) })
		got, err := f.Get(ctx)
		u.want(n, got, err)
	case 3:
		got, err := pool.Map(ctx, u.p, square, []int64{n, n + 1, n + 2})
		if err != nil {
			got = make([]int64, 3)
		}
		u.want(n+2, got[2], err)
	case 4:
		at := n
		for got, err := range pool.IMap(ctx, u.p, square.With(pool.TaskOptions{Chunk: int(n % 5)}), func(yield func(int64) bool) {
			for i := n; yield(i); i++ {
			}
		}) {
			if u.want(at, got, err); at == n+30 {
				break
			}
			at++
		}
	case 5:
		//clock: that the time-out ends it is the subject
		short, stop := context.WithTimeout(ctx, time.Duration(n%3)*time.Millisecond)
		if _, err := pool.Apply(short, u.p, nap, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			u.want(n, 0, err)
		}
		stop()
	case 6:
		if b, err := pool.Apply(ctx, u.p, echoBytes, make([]byte, n)); err != nil || len(b) != int(n) {
			u.want(n, 0, err)
		}
	default:
		u.p.Stats()
		got, err := pool.MapAsync(ctx, u.p, square, []int64{n}).Get(ctx)
		if err != nil {
			got = make([]int64, 1)
		}
		u.want(n, got[0], err)
	}
}
