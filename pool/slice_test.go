package pool_test

import (
	"context"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

var echoBytes = pool.Define("echo bytes", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

var echoFloats = pool.Define("echo floats", func(_ context.Context, f []float64) ([]float64, error) { return f, nil })

// double changes its argument, which is its own until it returns.
var double = pool.Define("double", func(_ context.Context, f []float64) ([]float64, error) {
	for i := range f {
		f[i] *= 2
	}
	return append(f, 1), nil
})

var isNil = pool.Define("is nil", func(_ context.Context, b []byte) (bool, error) { return b == nil, nil })

// Slices as arguments, which are views, and as results: inline, in a block, large, empty.
func TestSlices(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		for _, n := range []int{0, 1, 7, 8, 18, 143, 144, 145, 160, 161, 4096, 1 << 20} {
			b, f := make([]byte, n), make([]float64, n)
			for i := range n {
				b[i], f[i] = byte(i), float64(i)/3
			}
			want := slices.Clone(f)
			if got, err := pool.Apply(t.Context(), p, echoBytes, b); err != nil || !slices.Equal(got, b) {
				t.Errorf("%d bytes: %d, %v", n, len(got), err)
			}
			if got, err := pool.Apply(t.Context(), p, echoFloats, f); err != nil || !slices.Equal(got, f) {
				t.Errorf("%d floats: %d, %v", n, len(got), err)
			}
			got, err := pool.Apply(t.Context(), p, double, f)
			if err != nil || len(got) != n+1 || n > 0 && got[n-1] != 2*f[n-1] || got[n] != 1 || !slices.Equal(f, want) {
				t.Errorf("%d floats doubled: %d, %v", n, len(got), err)
			}
			if yes, err := pool.Apply(t.Context(), p, isNil, b); err != nil || yes {
				t.Errorf("%d bytes are nil: %v, %v", n, yes, err)
			}
		}
		if yes, err := pool.Apply(t.Context(), p, isNil, nil); err != nil || !yes {
			t.Errorf("nil is not nil: %v", err)
		}
		wantNothingLeft(t, p)
	})
}

// Within a chunk elements do not lie where their type needs it, or in the place of the next
// argument.
func TestSlicesInChunks(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		args := make([][]float64, 200)
		for i := range args {
			args[i] = slices.Repeat([]float64{float64(i)}, i%9)
		}
		got, err := pool.Map(t.Context(), p, double.With(pool.TaskOptions{Chunk: 7}), args)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range got {
			if !slices.Equal(f, append(slices.Repeat([]float64{float64(2 * i)}, i%9), 1)) {
				t.Fatalf("%d: %v", i, f)
			}
		}
	})
}

// The argument of a task stays as it was when the caller has gone: no other task gets its memory.
func TestSliceOfAbandonedTask(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 1})
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			f, err := pool.ApplyAsync(ctx, p, echoBytes, slices.Repeat([]byte{byte(i)}, 10000))
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			f.Get(t.Context())
			want := slices.Repeat([]byte{byte(i + 1)}, 10000)
			if got, err := pool.Apply(t.Context(), p, echoBytes, want); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%d: %v", i, err)
			}
		}
		wantNothingLeft(t, p)
	})
}
