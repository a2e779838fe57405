package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/pool"
)

// A scribbler overwrites words of a pool's own segment.
type scribbler struct {
	words []uint64
	start int // of the slots
}

// once overwrites a word with one of the values that do most harm.
func (s *scribbler) once(r *rand.Rand) {
	at := s.start + r.IntN(32*48) // the slots of 32 tasks
	if r.IntN(8) == 0 {
		at = r.IntN(len(s.words)) // or the records of workers, most of which are unused
		if r.IntN(2) == 0 {
			at = r.IntN(4 * 64)
		}
	}
	word := (*atomic.Uint64)(unsafe.Pointer(&s.words[at]))
	old, v := word.Load(), r.Uint64()
	switch r.IntN(9) {
	case 1:
		v = old ^ 1<<r.IntN(64)
	case 2:
		v = s.words[r.IntN(len(s.words))]
	case 3:
		v = old + 1
	case 4:
		v = 0
	case 5:
		v = ^uint64(0)
	case 6:
		v = old&^0xffffffff | v>>32
	case 7: // like the id of an owner
		v = uint64(1+r.IntN(3))<<10 | uint64(r.IntN(4))
	case 8:
		v = old&0xffffffff | v<<32
	}
	word.Store(v)
}

// scribbled makes a call of one of all kinds.
func scribbled(ctx context.Context, p *pool.Pool, r *rand.Rand) error {
	chunk := pool.TaskOptions{Chunk: 1 + r.IntN(8)}
	var err error
	switch r.IntN(8) {
	case 0:
		_, err = pool.Apply(ctx, p, square, 5)
	case 1:
		_, err = pool.Apply(ctx, p, wrap, parcel{N: 1, Bytes: r.Int64N(5000)})
	case 2:
		_, err = pool.Apply(ctx, p, fail, []string{"wrapped", "panic", "goexit"}[r.IntN(3)])
	case 3:
		_, err = pool.Map(ctx, p, square.With(chunk), make([]int64, 100))
	case 4:
		n, args := 0, [][]byte{make([]byte, 10), make([]byte, 4000), nil}
		for _, err = range pool.IMap(ctx, p, echoBytes.With(chunk), slices.Values(args)) {
			if n++; n > len(args)+1 {
				panic(fmt.Sprintf("%d results of %d arguments", n, len(args)))
			}
		}
	case 5:
		var f *pool.Future[int64]
		if f, err = pool.ApplyAsync(ctx, p, square.With(pool.TaskOptions{HardDeadline: time.Minute}), 1); err == nil {
			_, err = f.Get(ctx)
		}
	case 6:
		_, err = pool.Apply(ctx, p, blobs, blob{ID: 1, Arg: blobArg(1, r.IntN(1<<20)), Result: r.Int64N(1 << 20)})
	case 7:
		retry := func(attempt int, _ error) (bool, time.Duration) { return attempt < 3, 0 }
		_, err = pool.Apply(ctx, p, odd.With(pool.TaskOptions{Retry: retry}), 2)
		p.Stats()
	}
	return err
}

var scribbles = proctest.Register("scribbles", func(args []string) {
	most, err := strconv.Atoi(args[0])
	needs(err)
	damaged := 0
	for words := 0; words < most; {
		n, failed := scribbleRound(most - words)
		words += n
		damaged += failed
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	proctest.Say("damaged %v, grown %v", damaged > 0, m.Sys > 512<<20)
})

// scribbleRound overwrites words of one pool for some hundred calls, or until calls stand still,
// and says how many, and how many calls have noticed.
func scribbleRound(most int) (words, failed int) {
	p, err := pool.New(context.Background(), pool.Options{Workers: 2, Backlog: 32, Memory: 4 << 20, Stderr: nowhere{}})
	needs(err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var calls sync.WaitGroup
	var made, corrupt atomic.Int64
	for range 4 {
		calls.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for ctx.Err() == nil {
				if err := scribbled(ctx, p, r); err != nil && !errors.Is(err, context.Canceled) {
					corrupt.Add(1)
				}
				made.Add(1)
			}
		})
	}
	s, r := scribbler{pool.TableWords(p), pool.TableStart}, rand.New(rand.NewPCG(rand.Uint64(), 2))
	for last, still := int64(0), 0; words < most && still < 300; words++ {
		s.once(r)
		if words%16 == 0 {
			proctest.Stagger(20 * time.Microsecond)
			if now := made.Load(); now != last {
				last, still = now, 0
			} else {
				still++
			}
		}
	}
	cancel()
	calls.Wait()
	needs(p.Terminate(0))
	return words, int(corrupt.Load())
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// Overwriting random words of a pool's own segment, while it works with all kinds of calls, neither
// ends the parent nor holds it up. SHMKIT_LONG=1 overwrites 10⁸ words.
func TestScribble(t *testing.T) {
	t.Parallel()
	if race.Enabled {
		t.Skip("it is a data race")
	}
	words := "100000"
	if os.Getenv("SHMKIT_LONG") != "" {
		words = "100000000"
	}
	child := proctest.Start(t, scribbles, words)
	if line := child.Line(); line != "damaged true, grown false" {
		t.Errorf("%s\n%s", line, child.Stderr())
	}
	child.WaitOK()
}

// After 2³² attempts in a slot their numbers begin anew: nothing is cancelled from the start, and
// no task is lost.
func TestSerialsWrap(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Backlog: 2})
		for range 2 {
			// Some attempts lose their callers, and leave their numbers behind.
			for _, serial := range []uint32{0, 1<<32 - 4} {
				pool.SetSerials(p, serial)
				for range 6 {
					ctx, cancel := context.WithCancel(t.Context())
					f, err := pool.ApplyAsync(ctx, p, forever, 0)
					if err != nil {
						t.Fatal(err)
					}
					proctest.Eventually(t, time.Minute, func() bool { s := p.Stats(); return s.Pending == 1 && s.Queued == 0 }, "it runs")
					cancel()
					f.Get(t.Context())
					proctest.Eventually(t, time.Minute, func() bool { return p.Stats().Pending == 0 }, "it ends")
				}
			}
			for _, serial := range []uint32{0, 1<<32 - 4} {
				pool.SetSerials(p, serial)
				for i := range int64(12) {
					if n, err := pool.Apply(t.Context(), p, heedful, i); n != i || err != nil {
						t.Fatalf("%d, %v", n, err)
					}
				}
			}
		}
		wantNothingLeft(t, p)
	})
}

// heedful fails when its context ends while it runs, or has ended before.
var heedful = pool.Define("heedful", func(ctx context.Context, n int64) (int64, error) {
	return n, context.Cause(ctx)
})
