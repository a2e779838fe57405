package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// A late value waits while it is decoded in the parent.
type lateValue struct{ N byte }

var decodes, goesOn = make(chan struct{}), make(chan struct{})

func (v lateValue) MarshalBinary() ([]byte, error) { return []byte{v.N}, nil }
func (v *lateValue) UnmarshalBinary(b []byte) error {
	decodes <- struct{}{}
	<-goesOn
	v.N = b[0]
	return nil
}

var makesLate = pool.Define("makes late", func(_ context.Context, n byte) (lateValue, error) { return lateValue{n}, nil })

// Close waits until the caller of Apply has read the result of a task that has finished.
func TestCloseWaitsForReader(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		result := make(chan error, 1)
		go func() {
			v, err := pool.Apply(t.Context(), p, makesLate, 7)
			if err == nil && v.N != 7 {
				err = errors.New("another value")
			}
			result <- err
		}()
		<-decodes
		closed := proctest.MustBlock(t, func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		goesOn <- struct{}{}
		if err := <-result; err != nil {
			t.Error(err)
		}
		<-closed
	})
}

// What is read while the memory goes away is no result.
func TestTerminateWhileResultsAreRead(t *testing.T) {
	for range 100 {
		p := newLocal(t, pool.Options{Workers: 2})
		var all sync.WaitGroup
		var read atomic.Int64
		for g := range int64(8) {
			all.Go(func() {
				for n := g + 1; ; n++ {
					got, err := pool.Apply(t.Context(), p, square, n)
					if errors.Is(err, pool.ErrClosed) {
						return
					}
					if err != nil || got != n*n {
						t.Errorf("square of %d: %d, %v", n, got, err)
						return
					}
					read.Add(1)
				}
			})
		}
		proctest.Eventually(t, proctest.Hang, func() bool { return read.Load() > 20 }, "results come")
		if err := p.Terminate(0); err != nil {
			t.Error(err)
		}
		all.Wait()
	}
}
