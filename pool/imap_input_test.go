package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

var errInput = errors.New("no more input")

// halfway yields 49 numbers and then what end does.
func halfway(end func(yield func(int64, error) bool)) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		for i := range int64(49) {
			if !yield(i, nil) {
				return
			}
		}
		end(yield)
	}
}

func eachSeq2(t *testing.T, test func(t *testing.T, p *pool.Pool, chunk int, imap func(context.Context, *pool.Pool, *pool.Task[int64, int64], iter.Seq2[int64, error]) iter.Seq2[int64, error])) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		for _, chunk := range []int{1, 7, 1000} {
			t.Run(fmt.Sprintf("IMapSeq2/chunk=%d", chunk), func(t *testing.T) { test(t, p, chunk, pool.IMapErr[int64, int64]) })
			t.Run(fmt.Sprintf("IMapUnorderedSeq2/chunk=%d", chunk), func(t *testing.T) {
				test(t, p, chunk, pool.IMapUnorderedErr[int64, int64])
			})
		}
	})
}

// A48: an input iterator that fails halfway: the results before it come, then its error, once, and
// nothing is taken after it.
func TestInputFails(t *testing.T) {
	eachSeq2(t, func(t *testing.T, p *pool.Pool, chunk int, imap func(context.Context, *pool.Pool, *pool.Task[int64, int64], iter.Seq2[int64, error]) iter.Seq2[int64, error]) {
		after := 0
		args := halfway(func(yield func(int64, error) bool) {
			for yield(0, errInput) {
				after++
			}
		})
		good, sum := 0, int64(0)
		var last error
		for n, err := range imap(t.Context(), p, square.With(pool.TaskOptions{Chunk: chunk}), args) {
			if last != nil {
				t.Errorf("after the error: %d, %v", n, err)
			}
			if last = err; err == nil {
				good++
				sum += n
			}
		}
		if good != 49 || sum != 48*49*97/6 || last != errInput || after != 0 {
			t.Errorf("%d results of sum %d, then %v, and %d more arguments", good, sum, last, after)
		}
		wantNothingLeft(t, p)
	})
}

// An input iterator that panics, or ends its goroutine, takes its caller along, and nothing else.
func TestInputPanics(t *testing.T) {
	eachSeq2(t, func(t *testing.T, p *pool.Pool, chunk int, imap func(context.Context, *pool.Pool, *pool.Task[int64, int64], iter.Seq2[int64, error]) iter.Seq2[int64, error]) {
		for how, end := range map[string]func(func(int64, error) bool){
			"panic":  func(func(int64, error) bool) { panic("input") },
			"goexit": func(func(int64, error) bool) { runtime.Goexit() },
		} {
			ended := make(chan any, 1)
			finished := false
			go func() {
				defer func() { ended <- recover() }()
				for range imap(t.Context(), p, square.With(pool.TaskOptions{Chunk: chunk}), halfway(end)) {
				}
				finished = true
			}()
			select {
			case v := <-ended:
				if finished || how == "panic" && fmt.Sprint(v) != "input" {
					t.Errorf("%s: recovered %v, finished %v", how, v, finished)
				}
			case <-time.After(proctest.Hang):
				t.Fatalf("%s: it hangs", how)
			}
			wantNothingLeft(t, p)
			wantSquare(t, 3)(pool.Apply(t.Context(), p, square, 3))
		}
	})
}

// The end of the context comes last, as an error.
func TestIMapEndsWithItsContext(t *testing.T) {
	eachIMap(t, func(t *testing.T, newPool makePool, _ bool, imap imapper) {
		p := newPool(pool.Options{Workers: 2, Backlog: 4})
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		taken, got := 0, 0
		var last error
		for _, err := range imap(ctx, p, square, endless(&taken)) {
			if last != nil {
				t.Fatalf("after %v: %v", last, err)
			}
			last = err
			if got++; got == 50 {
				cancel(errInput)
			}
		}
		if last != errInput {
			t.Errorf("%v", last)
		}
		wantNothingLeft(t, p)
	})
}
