package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// A backlog as small as it may be, and many who want to have a place in it: everybody gets one.
func TestTinyBacklog(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		for _, workers := range []int{1, 2} {
			p := newPool(pool.Options{Workers: workers, Backlog: workers})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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
