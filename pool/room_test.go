package pool_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// A blob is a task with an argument and a result of any size. It returns when as many others have
// ended as it says.
type blob struct {
	ID, Result, After int64
	Ended             *shm.Counter
	Arg               []byte
}

var blobs = pool.Define("blob", func(ctx context.Context, b blob) ([]byte, error) {
	for ; b.Ended != nil && b.Ended.Sum() < b.After; proctest.Stagger(200 * time.Microsecond) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	for _, x := range b.Arg {
		if x != byte(b.ID) {
			return nil, errors.New("the argument is another's")
		}
	}
	if b.Ended != nil {
		b.Ended.Add(1)
	}
	return blobResult(b.ID, int(b.Result)), nil
})

func blobResult(id int64, size int) []byte {
	return binary.NativeEndian.AppendUint64(bytes.Repeat([]byte{byte(id)}, max(size-8, 0)), uint64(id))
}

func blobArg(id int64, size int) []byte { return bytes.Repeat([]byte{byte(id)}, size) }

func wantBlob(t testing.TB, id int64, size int, got []byte, err error) {
	t.Helper()
	if err != nil || !bytes.Equal(got, blobResult(id, size)) {
		t.Fatalf("result %d: %d bytes of %d, %v", id, len(got), size, err)
	}
}

// counter makes a counter for blobs.
func counter(t testing.TB) *shm.Counter {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	c, err := shm.NewCounter(seg, "ended")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// memory is Options.Memory of the pools of these tests; the reported cases have the same share of
// it.
const memory = 3 << 20

// eachRoom runs a test with pools of each kind that have little memory.
func eachRoom(t *testing.T, workers int, test func(t *testing.T, p *pool.Pool)) {
	eachKind(t, withRoom(workers, test))
}

// withRoom is a test with a pool that has little memory.
func withRoom(workers int, test func(t *testing.T, p *pool.Pool)) func(t *testing.T, newPool makePool) {
	return func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: workers, Memory: memory})
		test(t, p)
		wantNothingLeft(t, p)
	}
}

// Results in order, the first of which comes last, each a third of Memory.
func TestRoomFirstComesLast(t *testing.T) {
	eachRoom(t, 2, func(t *testing.T, p *pool.Pool) {
		ended, n := counter(t), int64(12)
		args := func(yield func(blob) bool) {
			for i := range n {
				b := blob{ID: i, Result: memory / 3, Ended: ended}
				if i == 0 {
					b.After = n - 1
				}
				if !yield(b) {
					return
				}
			}
		}
		i := int64(0)
		for got, err := range pool.IMap(t.Context(), p, blobs, args) {
			wantBlob(t, i, memory/3, got, err)
			i++
		}
		if i != n {
			t.Errorf("%d results of %d", i, n)
		}
	})
}

// A loop over IMap calls Apply on the same pool in its body. Unread results of the loop hold half
// of Memory, or all of it.
func TestRoomApplyInLoop(t *testing.T) {
	t.Parallel()
	for _, size := range []int{memory / 32, memory / 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			eachRoom(t, 2, func(t *testing.T, p *pool.Pool) {
				for _, imap := range []func(context.Context, *pool.Pool, *pool.Task[blob, []byte], func(func(blob) bool)) func(func([]byte, error) bool){
					func(ctx context.Context, p *pool.Pool, task *pool.Task[blob, []byte], args func(func(blob) bool)) func(func([]byte, error) bool) {
						return pool.IMap(ctx, p, task, args)
					},
					func(ctx context.Context, p *pool.Pool, task *pool.Task[blob, []byte], args func(func(blob) bool)) func(func([]byte, error) bool) {
						return pool.IMapUnordered(ctx, p, task, args)
					},
				} {
					n := 0
					for _, err := range imap(t.Context(), p, blobs, func(yield func(blob) bool) {
						for i := int64(0); i < 20 && yield(blob{ID: i, Result: int64(size)}); i++ {
						}
					}) {
						if err != nil {
							t.Fatal(err)
						}
						n++
						got, err := pool.Apply(t.Context(), p, blobs, blob{ID: 99, Result: int64(size), Arg: blobArg(99, size)})
						wantBlob(t, 99, size, got, err)
					}
					if n != 20 {
						t.Errorf("%d results", n)
					}
				}
			})
		})
	}
}

const thirdBytes = memory/3 - 4096 // beside what travels with it

// ownPool is the pool that runs submits.
var ownPool *pool.Pool

var submits *pool.Task[[]byte, []byte]

func init() {
	submits = pool.Define("submits", func(ctx context.Context, arg []byte) ([]byte, error) {
		got, err := pool.Apply(ctx, ownPool, blobs, blob{ID: 7, Result: thirdBytes, Arg: blobArg(7, thirdBytes)})
		if err != nil || !bytes.Equal(got, blobResult(7, thirdBytes)) {
			return nil, fmt.Errorf("%d bytes, %w", len(got), err)
		}
		return arg, nil
	})
}

// A task waits for one that it has submitted to its own pool, while others fill the memory.
func TestRoomSubmittedByTask(t *testing.T) {
	p := newLocal(t, pool.Options{Workers: 3, Memory: memory})
	ownPool = p
	for range 5 {
		arg := blobArg(1, thirdBytes)
		got, err := pool.Apply(t.Context(), p, submits, arg)
		if err != nil || !bytes.Equal(got, arg) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	wantNothingLeft(t, p)

	// In a pool of processes the parent does it for the task.
	p = newPool(t, pool.Options{Workers: 2, Memory: memory})
	for range 5 {
		ended := counter(t)
		f, err := pool.ApplyAsync(t.Context(), p, blobs, blob{ID: 1, Result: thirdBytes, Arg: blobArg(1, thirdBytes), Ended: ended, After: 1})
		if err != nil {
			t.Fatal(err)
		}
		got, err := pool.Apply(t.Context(), p, blobs, blob{ID: 2, Result: thirdBytes, Arg: blobArg(2, thirdBytes), Ended: ended})
		wantBlob(t, 2, thirdBytes, got, err)
		got, err = f.Get(t.Context())
		wantBlob(t, 1, thirdBytes, got, err)
	}
	wantNothingLeft(t, p)
}

// Results of a tenth of Memory, of which the consumer is slower than the workers: none is lost.
func TestRoomSlowConsumer(t *testing.T) {
	t.Parallel()
	eachOwnKind(t, withRoom(2, func(t *testing.T, p *pool.Pool) {
		for _, size := range []int{memory / 10, memory/2 + 1, memory} {
			seen := map[int64]bool{}
			for got, err := range pool.IMapUnordered(t.Context(), p, blobs, func(yield func(blob) bool) {
				for i := int64(0); i < 40 && yield(blob{ID: i, Result: int64(size)}); i++ {
				}
			}) {
				if err != nil {
					t.Fatal(err)
				}
				id := int64(binary.NativeEndian.Uint64(got[len(got)-8:]))
				wantBlob(t, id, size, got, nil)
				seen[id] = true
				proctest.Eventually(t, proctest.Hang, func() bool {
					s := p.Stats()
					return s.Queued == 0 || s.Pending-s.Queued >= 2
				}, "all workers are at work, or wait")
			}
			if len(seen) != 40 {
				t.Errorf("%d results of 40", len(seen))
			}
		}
	}))
}

// Map over slices that fill the memory many times, with more workers than fit.
func TestRoomMap(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{2, 16} {
		eachRoom(t, workers, func(t *testing.T, p *pool.Pool) {
			for _, size := range []int{memory * 48 / 1024, memory / 3, memory * 2 / 3, memory} {
				args := make([][]byte, 24)
				if testing.Short() && size > memory/8 {
					args = args[:8] // they still do not fit together
				}
				for i := range args {
					args[i] = blobArg(int64(i), size)
				}
				for _, chunk := range []int{0, 3} {
					got, err := pool.Map(t.Context(), p, echoBytes.With(pool.TaskOptions{Chunk: chunk}), args)
					if err != nil || !slices.EqualFunc(got, args, bytes.Equal) {
						t.Fatalf("%d bytes, chunk %d: %d results, %v", size, chunk, len(got), err)
					}
				}
			}
		})
	}
}

// Arguments of a third of Memory, of many callers at once.
func TestRoomManyCallers(t *testing.T) {
	eachRoom(t, 2, func(t *testing.T, p *pool.Pool) {
		var all sync.WaitGroup
		for g := range int64(8) {
			all.Go(func() {
				for i := range int64(10) {
					id := g*10 + i
					if id%2 == 0 {
						got, err := pool.Apply(t.Context(), p, blobs, blob{ID: id, Arg: blobArg(id, memory*20/64), Result: memory / 3})
						if err != nil || !bytes.Equal(got, blobResult(id, memory/3)) {
							t.Errorf("%d: %d bytes, %v", id, len(got), err)
						}
						continue
					}
					f, err := pool.ApplyAsync(t.Context(), p, blobs, blob{ID: id, Arg: blobArg(id, memory*2/3), Result: 20})
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := f.Get(t.Context()); err != nil || !bytes.Equal(got, blobResult(id, 20)) {
						t.Errorf("%d: %d bytes, %v", id, len(got), err)
					}
				}
			})
		}
		all.Wait()
	})
}

// What can never fit is an error that says so, and which option.
func TestRoomNeverEnough(t *testing.T) {
	eachRoom(t, 2, func(t *testing.T, p *pool.Pool) {
		want := func(err error, part string) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "can never fit into the 3145728 bytes of Options.Memory") {
				t.Errorf("%v", err)
			}
		}
		large := make([]byte, memory+1)
		_, err := pool.Apply(t.Context(), p, echoBytes, large)
		want(err, "send the argument")
		_, err = pool.Map(t.Context(), p, echoBytes, [][]byte{large})
		want(err, "send the argument")
		n := 0
		for _, err := range pool.IMap(t.Context(), p, echoBytes, slices.Values([][]byte{{1}, large, {2}})) {
			if n++; n == 2 {
				want(err, "send the argument")
			} else if err != nil {
				t.Error(err)
			}
		}
		_, err = pool.Apply(t.Context(), p, blobs, blob{Result: memory + 1})
		want(err, "result")
		got, err := pool.Apply(t.Context(), p, echoBytes, large[1:])
		if err != nil || len(got) != memory {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// The end of a context ends the wait for room, a caller's and a worker's, and so does the end of
// the pool.
func TestRoomWaitEnds(t *testing.T) {
	eachOwnKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Memory: memory})
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		ended := counter(t)
		holder, err := pool.ApplyAsync(t.Context(), p, blobs, blob{ID: 1, Arg: blobArg(1, memory*3/4), Ended: ended, After: 1})
		if err != nil {
			t.Fatal(err)
		}
		waits, err := pool.ApplyAsync(ctx, p, blobs, blob{Result: memory / 2})
		if err != nil {
			t.Fatal(err)
		}
		proctest.Eventually(t, time.Minute, func() bool { return pool.WorkersWithoutRoom(p) == 1 }, "the worker waits for room")
		sends := make(chan error)
		go func() {
			_, err := pool.Apply(ctx, p, blobs, blob{Arg: make([]byte, memory/2)})
			sends <- err
		}()
		proctest.Eventually(t, time.Minute, func() bool { return pool.CallersWithoutRoom(p) == 1 }, "the caller waits for room")
		cancel(errInput)
		if err := <-sends; !errors.Is(err, errInput) {
			t.Errorf("the caller: %v", err)
		}
		if _, err := waits.Get(t.Context()); err != errInput {
			t.Errorf("the task: %v", err)
		}
		proctest.Eventually(t, time.Minute, func() bool { return pool.WorkersWithoutRoom(p) == 0 }, "the worker gives up")
		wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
		last, err := pool.ApplyAsync(t.Context(), p, blobs, blob{Result: memory / 2})
		if err != nil {
			t.Fatal(err)
		}
		proctest.Eventually(t, time.Minute, func() bool { return pool.WorkersWithoutRoom(p) == 1 }, "the worker waits for room")
		if err := p.Terminate(time.Minute); err != nil {
			t.Error(err)
		}
		for _, f := range []*pool.Future[[]byte]{holder, last} {
			// it may have got room at the end
			if _, err := f.Get(t.Context()); err != nil && !errors.Is(err, pool.ErrClosed) {
				t.Errorf("at the end: %v", err)
			}
		}
	})
}

// Calls of all kinds with sizes up to all of Memory, while workers are killed: each has its result.
func TestRoomChaos(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 3, Memory: memory, Attempts: -1})
	stop := hunt(t, p, 40*time.Millisecond)
	var all sync.WaitGroup
	random := func() blob {
		id := rand.Int64N(256)
		return blob{ID: id, Arg: blobArg(id, rand.IntN(memory*3/4)>>rand.IntN(8)), Result: rand.Int64N(memory-100) >> rand.IntN(8)}
	}
	for range 4 {
		all.Go(func() {
			for range 20 {
				b := random()
				got, err := pool.Apply(t.Context(), p, blobs, b)
				if err != nil || !bytes.Equal(got, blobResult(b.ID, int(b.Result))) {
					t.Errorf("Apply: %d bytes of %d, %v", len(got), b.Result, err)
				}
			}
		})
	}
	all.Go(func() {
		sent := make([]blob, 40)
		for i := range sent {
			sent[i] = random()
			sent[i].Result /= 2
		}
		n := 0
		for got, err := range pool.IMap(t.Context(), p, blobs.With(pool.TaskOptions{Chunk: 2}), slices.Values(sent)) {
			if err != nil || !bytes.Equal(got, blobResult(sent[n].ID, int(sent[n].Result))) {
				t.Errorf("IMap: %d bytes, %v", len(got), err)
			}
			n++
		}
	})
	all.Wait()
	stop()
	wantNothingLeft(t, p)
}
