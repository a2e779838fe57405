//go:build linux

package pool_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"golang.org/x/sys/unix"
)

var bulk = pool.Define("bulk", func(_ context.Context, n int64) ([]byte, error) { return make([]byte, n), nil })

// poolMemory is how many mappings of segments without a name this process has.
func poolMemory(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "/memfd:shmkit (deleted)")
}

// A pool that is closed keeps no memory of its segment, although it is reachable.
func TestClosedPoolsHoldNoMemory(t *testing.T) {
	runtime.GC()
	before := poolMemory(t)
	var pools []*pool.Pool
	for i := range 4 {
		p := newPool(t, pool.Options{Workers: 1})
		if poolMemory(t) == before {
			t.Fatal("the mapping of a pool is not listed")
		}
		if b, err := pool.Apply(t.Context(), p, bulk, 8<<20); err != nil || len(b) != 8<<20 {
			t.Fatal(len(b), err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		pools = append(pools, p)
		if n := poolMemory(t); n > before {
			t.Errorf("pool %d is closed: %d mappings, %d before", i, n, before)
		}
	}
	runtime.KeepAlive(pools)
}

// roleFewAddresses makes one pool after another where there is address space for one and a half.
var roleFewAddresses = proctest.Register("few-addresses", func([]string) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil {
		panic(err)
	}
	var pages uint64
	statm, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(statm), &pages)
	}
	if err != nil {
		panic(err)
	}
	limit.Cur = pages*uint64(os.Getpagesize()) + 1536<<20
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		panic(err)
	}
	var pools []*pool.Pool
	for i := range 3 {
		p, err := pool.New(context.Background(), pool.Options{Workers: 1, Memory: 900 << 20})
		if err != nil {
			proctest.Say("pool %d: %v", i, err)
			return
		}
		if _, err := pool.Apply(context.Background(), p, bulk, 1<<20); err != nil {
			proctest.Say("apply in pool %d: %v", i, err)
			return
		}
		if err := p.Close(); err != nil {
			proctest.Say("close pool %d: %v", i, err)
			return
		}
		pools = append(pools, p)
	}
	runtime.KeepAlive(pools)
	proctest.Say("made all")
})

// The address space of a pool is free when the pool is closed.
func TestPoolAfterPoolInFewAddresses(t *testing.T) {
	child := proctest.Start(t, roleFewAddresses)
	child.Expect("made all")
	child.WaitOK()
}
