package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/shm"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) {
	pool.Main() // in a worker, which runs this binary, too
	proctest.Main(m)
}

func TestShared(t *testing.T) {
	if got := proctest.Start(t, program).Output(); got != "2000 transfers by 4 processes, and every coin is there\n" {
		t.Errorf("it says %q", got)
	}
}

// halfway SEGMENT is a clerk that has changed the accounts, and not yet the count.
var halfway = proctest.Register("halfway", func(args []string) {
	ctx := context.Background()
	seg, err := shm.Open(args[0])
	must(err)
	b, err := bankIn(seg)
	must(err)
	must(b.lock(ctx))
	must(b.Accounts.Update(ctx, func(a []int64) error { a[1] -= 10; a[2] += 9; a[0]++; return nil }))
	proctest.Say("halfway")
	proctest.Hear() // blocks until the kill
})

// TestClerkDiesHalfway kills a clerk between the two changes of a transfer. The next process to
// lock the bank must find that accounts and count fit together.
func TestClerkDiesHalfway(t *testing.T) {
	ctx := context.Background()
	seg, err := shm.Create(filepath.Join(proctest.Dir(t), "segment"), shm.Options{})
	must(err)
	defer seg.Close()
	b, err := open(ctx, seg)
	must(err)
	clerk := proctest.Start(t, halfway, seg.Path())
	clerk.Expect("halfway")
	clerk.Kill()
	if n, err := b.check(ctx); n != 1 || err != nil {
		t.Errorf("%d transfers, %v", n, err)
	}
	must(b.transfer(ctx, 1, 2))
	if n, err := b.check(ctx); n != 2 || err != nil {
		t.Errorf("%d transfers, %v", n, err)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
