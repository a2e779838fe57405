package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// A step is an argument of fixed size that says what its task does.
type step struct {
	N    int
	Do   int8 // 1: error, 2: panic, 3: Goexit, 4: die
	Odd  bool
	Fill [3]int16
}

// A stepped is a result of fixed size.
type stepped struct {
	N   int
	Odd bool
}

func (s step) run() (stepped, error) {
	switch s.Do {
	case 1:
		return stepped{}, fmt.Errorf("step %d: %w", s.N, errKnown)
	case 2:
		panic(fmt.Sprint("step ", s.N))
	case 3:
		runtime.Goexit()
	case 4:
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return stepped{s.N * 2, !s.Odd}, nil
}

var walk = pool.Define("walk", func(_ context.Context, s step) (stepped, error) { return s.run() })

// walkSlices is the same with arguments that are slices.
var walkSlices = pool.Define("walk slices", func(_ context.Context, s []int) (stepped, error) {
	return step{N: s[0], Do: int8(s[len(s)-1])}.run()
})

// A chunk of values, or of slices of them, gives each argument its own result, whatever the others
// do, in every size of chunks.
func TestVectors(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		for _, bad := range []int8{0, 1, 2, 3} {
			args, slicesOf := make([]step, 300), make([][]int, 300)
			for i := range args {
				args[i] = step{N: i, Odd: i%2 == 1}
				slicesOf[i] = append(slices.Repeat([]int{i}, 1+i%5), 0)
				if i%100 == 0 || i%7 == 3 {
					args[i].Do, slicesOf[i][len(slicesOf[i])-1] = bad, int(bad)
				}
			}
			for _, chunk := range []int{2, 7, 64, 1000} {
				o := pool.TaskOptions{Chunk: chunk}
				i := 0
				for got, err := range pool.IMap(t.Context(), p, walk.With(o), slices.Values(args)) {
					checkStep(t, args[i].Do, i, got, stepped{2 * i, i%2 == 0}, err)
					i++
				}
				i = 0
				for got, err := range pool.IMap(t.Context(), p, walkSlices.With(o), slices.Values(slicesOf)) {
					checkStep(t, args[i].Do, i, got, stepped{2 * i, true}, err)
					i++
				}
				if bad != 0 {
					if _, err := pool.Map(t.Context(), p, walk.With(o), args); err == nil {
						t.Error("no error")
					}
					continue
				}
				all, err := pool.Map(t.Context(), p, walk.With(o), args)
				of, errOf := pool.Map(t.Context(), p, walkSlices.With(o), slicesOf)
				if err != nil || errOf != nil || len(all) != len(args) || len(of) != len(args) {
					t.Fatal(err, errOf)
				}
				for i := range all {
					checkStep(t, 0, i, all[i], stepped{2 * i, i%2 == 0}, nil)
					checkStep(t, 0, i, of[i], stepped{2 * i, true}, nil)
				}
			}
		}
		wantNothingLeft(t, p)
	})
}

func checkStep(t *testing.T, do int8, i int, got, want stepped, err error) {
	t.Helper()
	var panicked *pool.PanicError
	switch do {
	case 0:
		if err != nil || got != want {
			t.Errorf("%d: %+v, %v, want %+v", i, got, err, want)
		}
	case 1:
		if !errors.Is(err, errKnown) || err.Error() != fmt.Sprintf("step %d: %v", i, errKnown) {
			t.Errorf("%d: %v", i, err)
		}
	default:
		if !errors.As(err, &panicked) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// When a worker dies of one of a chunk, the others are run again, and only that one fails.
func TestDeathInVector(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2, Attempts: 2})
	args, of := make([]step, 40), make([][]int, 40)
	for i := range args {
		args[i], of[i] = step{N: i}, []int{i, 0}
	}
	args[13].Do, of[13][1] = 4, 4
	o := pool.TaskOptions{Chunk: 10}
	i := 0
	check := func(got stepped, err error, odd bool) {
		var death *pool.WorkerDiedError
		if i == 13 && !errors.As(err, &death) || i != 13 && (err != nil || got != stepped{2 * i, odd}) {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
		i++
	}
	for got, err := range pool.IMap(t.Context(), p, walk.With(o), slices.Values(args)) {
		check(got, err, true)
	}
	i = 0
	for got, err := range pool.IMap(t.Context(), p, walkSlices.With(o), slices.Values(of)) {
		check(got, err, true)
	}
	if s := p.Stats(); s.Killed != 4 || s.Pending != 0 {
		t.Errorf("%d died, %d are left", s.Killed, s.Pending)
	}
	wantNothingLeft(t, p)
}

var nothing = pool.Define("nothing", func(_ context.Context, _ struct{}) (struct{}, error) { return struct{}{}, nil })

// Arguments and results without bytes are counted all the same.
func TestVectorsOfNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, newPool makePool) {
		p := newPool(pool.Options{Workers: 2})
		for _, n := range []int{0, 1, 2, 1000} {
			if got, err := pool.Map(t.Context(), p, nothing.With(pool.TaskOptions{Chunk: 7}), make([]struct{}, n)); err != nil || len(got) != n {
				t.Errorf("%d of %d, %v", len(got), n, err)
			}
		}
		if _, err := pool.Apply(t.Context(), p, nothing, struct{}{}); err != nil {
			t.Error(err)
		}
	})
}
