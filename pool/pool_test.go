package pool_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	proctest.Main(m)
}

var square = pool.Define("square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })

var upper = pool.Define("upper", func(_ context.Context, words []string) (map[string]int, error) {
	m := map[string]int{}
	for _, w := range words {
		m[strings.ToUpper(w)]++
	}
	return m, nil
})

var die = pool.Define("die", func(_ context.Context, how string) (int64, error) {
	switch how {
	case "panic":
		panic("ouch")
	case "exit":
		os.Exit(3)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return 7, nil
})

func newPool(t testing.TB, o pool.Options) *pool.Pool {
	t.Helper()
	p, err := pool.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestMap(t *testing.T) {
	start := time.Now()
	p := newPool(t, pool.Options{Workers: 2})
	t.Log("start", time.Since(start))
	args := make([]int64, 10000)
	for i := range args {
		args[i] = int64(i)
	}
	start = time.Now()
	got, err := pool.Map(t.Context(), p, square, args)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("map", time.Since(start)/10000)
	for i, n := range got {
		if n != int64(i*i) {
			t.Fatalf("square of %d: %d", i, n)
		}
	}
	m, err := pool.Map(t.Context(), p, upper, [][]string{{"a", "b", "a"}, nil, strings.Fields(strings.Repeat("x ", 10000))})
	if err != nil || m[0]["A"] != 2 || m[2]["X"] != 10000 {
		t.Fatal(m, err)
	}
}

func TestDeath(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 2})
	_, err := pool.Map(t.Context(), p, die, []string{"panic"})
	var pe *pool.PanicError
	if !errors.As(err, &pe) || pe.Value != "ouch" {
		t.Fatal(err)
	}
	for _, how := range []string{"exit", "kill"} {
		_, err = pool.Map(t.Context(), p, die, []string{how})
		var we *pool.WorkerDiedError
		if !errors.As(err, &we) || we.Attempts != 3 {
			t.Fatal(err)
		}
		t.Log(err)
	}
	got, err := pool.Map(t.Context(), p, die, []string{"", "", ""})
	if err != nil || len(got) != 3 {
		t.Fatal(err)
	}
	t.Log(p.Stats())
}
