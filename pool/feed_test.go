package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// eachInput runs a test with all forms of IMap, and with chunks of several sizes.
func eachInput(t *testing.T, test func(t *testing.T, p *pool.Pool, task *pool.Task[int64, int64], imap imapper)) {
	eachIMap(t, func(t *testing.T, newPool makePool, _ bool, imap imapper) {
		p := newPool(pool.Options{Workers: 2})
		for _, chunk := range []int{0, 1, 10} {
			t.Run(fmt.Sprint("chunk=", chunk), func(t *testing.T) {
				test(t, p, square.With(pool.TaskOptions{Chunk: chunk}), imap)
				wantNothingLeft(t, p)
			})
		}
	})
}

// Each argument waits for the result of the one before it.
func TestInputNeedsResults(t *testing.T) {
	t.Parallel()
	eachInput(t, func(t *testing.T, p *pool.Pool, task *pool.Task[int64, int64], imap imapper) {
		results := make(chan int64, 1)
		results <- 2
		args := func(yield func(int64) bool) {
			for range 4 {
				if !yield(<-results) {
					return
				}
			}
		}
		var last int64
		for n, err := range imap(t.Context(), p, task, args) {
			if err != nil {
				t.Fatal(err)
			}
			last = n
			results <- n
		}
		if last != 1<<16 {
			t.Errorf("%d", last)
		}
	})
}

// The end of the context, and leaving the loop, end a call with an input that hangs. Earlier
// results come first.
func TestInputHangs(t *testing.T) {
	t.Parallel()
	eachInput(t, func(t *testing.T, p *pool.Pool, task *pool.Task[int64, int64], imap imapper) {
		for _, how := range []string{"context", "break"} {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			release, ended := make(chan struct{}), make(chan bool, 1)
			args := func(yield func(int64) bool) {
				more := yield(1) && yield(2) && yield(3)
				<-release
				ended <- more && yield(4)
			}
			n := 0
			var last error
			for _, err := range imap(ctx, p, task, args) {
				if n++; err != nil {
					last = err
					break
				}
				if n == 3 && how == "break" {
					break
				}
				if n == 3 {
					cancel(errInput)
				}
			}
			if how == "context" && (n != 4 || last != errInput) {
				t.Errorf("%d results, the last with %v", n, last)
			}
			close(release)
			if <-ended {
				t.Errorf("%s: the iterator was not told", how)
			}
		}
	})
}

// An iterator may use its memory again as soon as it goes on.
func TestInputReusesMemory(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2, Memory: 1 << 20})
		for _, size := range []int{10, 1000, 5000, 300_000} {
			for _, chunk := range []int{1, 3} {
				n := 0
				for got, err := range pool.IMap(t.Context(), p, echoBytes.With(pool.TaskOptions{Chunk: chunk}), func(yield func([]byte) bool) {
					b := make([]byte, size)
					for i := range 40 {
						for k := range b {
							b[k] = byte(i)
						}
						if !yield(b) {
							return
						}
					}
				}) {
					if err != nil || !bytes.Equal(got, blobArg(int64(n), size)) {
						t.Fatalf("size %d, chunk %d: result %d: %d bytes, %v", size, chunk, n, len(got), err)
					}
					n++
				}
				if n != 40 {
					t.Errorf("%d results", n)
				}
			}
		}
	})
}

// What an iterator does when it is told to end reaches the caller.
func TestInputPanicsAtTheEnd(t *testing.T) {
	eachInput(t, func(t *testing.T, p *pool.Pool, task *pool.Task[int64, int64], imap imapper) {
		defer func() {
			if v := recover(); v != "cleanup" {
				t.Errorf("recovered %v", v)
			}
		}()
		for range imap(t.Context(), p, task, func(yield func(int64) bool) {
			defer func() { panic("cleanup") }()
			for yield(1) {
			}
		}) {
			break
		}
	})
}
