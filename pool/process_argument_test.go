package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A till is an argument with handles in it.
type till struct {
	Sum    *shm.Value[int64]
	Coins  *shm.RawValue[int64] // guarded by Mutex
	Mutex  *shmsync.Mutex
	Rounds int
}

func newTill(t *testing.T, rounds int) (till, *shm.Segment) {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	b := till{Rounds: rounds}
	if b.Sum, err = shm.NewValue(seg, "sum", int64(0)); err != nil {
		t.Fatal(err)
	}
	if b.Coins, err = shm.NewRawValue(seg, "coins", int64(0)); err != nil {
		t.Fatal(err)
	}
	if b.Mutex, err = shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{}); err != nil {
		t.Fatal(err)
	}
	return b, seg
}

var count = pool.Define("count coins", func(ctx context.Context, b till) (string, error) {
	for range b.Rounds {
		if err := b.Mutex.Lock(ctx); err != nil {
			return "", err
		}
		*b.Coins.Pointer()++
		b.Mutex.Unlock()
	}
	return "", b.Sum.Update(ctx, func(n *int64) error { *n += int64(b.Rounds); return nil })
})

// Handles of an anonymous segment pass as parts of an argument.
func TestProcessHandles(t *testing.T) {
	const processes, rounds = 3, 1000
	b, _ := newTill(t, rounds)
	var all []*process.Process
	for range processes {
		all = append(all, startProcess(t, count, b, process.Options{}))
	}
	for _, p := range all {
		if code := join(t, p); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	sum, err := b.Sum.Load()
	if err != nil || sum != processes*rounds || *b.Coins.Pointer() != processes*rounds {
		t.Errorf("sum %d, %d coins, %v", sum, *b.Coins.Pointer(), err)
	}
}

var add = pool.Define("add", func(ctx context.Context, sum *shm.Value[int64]) (string, error) {
	<-ctx.Done()
	return "", sum.Update(context.WithoutCancel(ctx), func(n *int64) error { *n++; return nil })
})

// Once Start has returned, the process has the segment, and the parent may let go of it.
func TestProcessKeepsHandles(t *testing.T) {
	b, seg := newTill(t, 0)
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", seg.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := startProcess(t, add, b.Sum, process.Options{})
	seg.Close()
	p.Terminate(-1)
	if code := join(t, p); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// A new attachment sees what the process has done.
	again, err := shm.FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	sum, err := shm.OpenValue[int64](again, "sum")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := sum.Load(); n != 1 || err != nil {
		t.Errorf("the process has added %d, %v", n, err)
	}
}

// A handle of a segment that is closed is an error of Start.
func TestProcessHandleOfClosedSegment(t *testing.T) {
	b, seg := newTill(t, 0)
	seg.Close()
	if err := startError(t, add, b.Sum, process.Options{}); err == nil || !strings.Contains(err.Error(), `argument of task "add"`) {
		t.Error(err)
	}
	if n := len(process.Children()); n != 0 {
		t.Errorf("%d processes are there", n)
	}
}

// A lossyArg is an argument that would lose a part on its way.
type lossyArg struct {
	Riddle any
	Answer string
}

// An answer is right or cannot be decoded.
type answer string

func (a *answer) UnmarshalBinary(b []byte) error {
	if string(b) != "man" {
		return errors.New("wrong answer")
	}
	*a = answer(b)
	return nil
}

func (a answer) MarshalBinary() ([]byte, error) { return []byte(a), nil }

var (
	ask   = pool.Define("ask", func(_ context.Context, s lossyArg) (string, error) { return "", nil })
	reply = pool.Define("answer", func(_ context.Context, a []answer) (string, error) { return "", nil })
)

func TestProcessArgumentThatCannotTravel(t *testing.T) {
	err := startError(t, ask, lossyArg{Riddle: func() {}}, process.Options{})
	if err == nil || !strings.Contains(err.Error(), `argument of task "ask"`) {
		t.Errorf("encode: %v", err)
	}
	for _, a := range []answer{"man", "cat"} {
		err := startError(t, reply, []answer{a}, process.Options{})
		if a == "man" && err != nil || a == "cat" && (err == nil || !strings.Contains(err.Error(), "wrong answer")) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestProcessUnknownTask(t *testing.T) {
	late := pool.Define(fmt.Sprintf("late %d", time.Now().UnixNano()), func(context.Context, int64) (int64, error) { return 0, nil })
	if err := startError(t, late, 1, process.Options{}); err == nil || !strings.Contains(err.Error(), `: define it before pool.Main`) {
		t.Error(err)
	}
}

var checksum = pool.Define("checksum", func(_ context.Context, b []byte) (string, error) {
	fmt.Print(crc32.ChecksumIEEE(b))
	return "", nil
})

// Arguments of any size pass.
func TestProcessLargeArgument(t *testing.T) {
	for _, size := range []int{0, 1, 1 << 20, 64 << 20} {
		b := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		var stdout bytes.Buffer
		p := startProcess(t, checksum, b, process.Options{Stdout: &stdout})
		if code := join(t, p); code != 0 || stdout.String() != fmt.Sprint(crc32.ChecksumIEEE(b)) {
			t.Errorf("%d bytes: exit code %d, checksum %s", size, code, &stdout)
		}
	}
}
