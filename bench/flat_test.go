//go:build linux

package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// bystander is a process that attaches a segment, and does nothing more.
var bystander = proctest.Register("bystander", func(args []string) {
	seg, err := shm.Open(segmentIn(args[0]))
	must(err)
	defer seg.Close()
	proctest.Say("attached")
	proctest.Hear() // blocks until the end
})

// The sizes at which operations are measured.
var (
	flatProcesses = []int{1, 16, 64, 256}
	flatObjects   = []int{1, 1000, 100_000}
)

// BenchmarkFlat measures operations of one process beside a number of others that are attached to
// the segment, and in a segment with a number of objects. What costs the same everywhere is flat.
func BenchmarkFlat(b *testing.B) {
	for _, n := range flatProcesses {
		b.Run(fmt.Sprint("processes=", n), func(b *testing.B) { benchFlat(b, n, 1) })
	}
	for _, n := range flatObjects {
		b.Run(fmt.Sprint("objects=", n), func(b *testing.B) { benchFlat(b, 1, n) })
	}
}

// benchFlat measures each operation in a segment with so many processes and objects.
func benchFlat(b *testing.B, processes, objects int) {
	dir := proctest.Dir(b)
	seg, err := shm.Create(segmentIn(dir), shm.Options{Size: 256 << 20, Objects: 1 << 18, Processes: 300})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	for i := range objects - 1 {
		if _, err := shm.NewInt64(seg, fmt.Sprint("other ", i), 0); err != nil {
			b.Fatal(err)
		}
	}
	var others []*proctest.Child
	for range processes - 1 {
		others = append(others, proctest.Start(b, bystander, dir))
	}
	for _, c := range others {
		c.Expect("attached")
	}
	for _, x := range flatOperations(b, seg) {
		b.Run("op="+x.name, func(b *testing.B) {
			unpin, err := pin(cores(b, 1)[0])
			if err != nil {
				b.Fatal(err)
			}
			defer unpin()
			for b.Loop() {
				x.do()
			}
		})
	}
	for _, c := range others {
		c.Kill()
	}
}

// A flatOperation should not depend on how many processes and objects there are.
type flatOperation struct {
	name string
	do   func()
}

func flatOperations(tb testing.TB, seg *shm.Segment) []flatOperation {
	tb.Helper()
	ctx := context.Background()
	mu, err := newMutex(seg)
	if err != nil {
		tb.Fatal(err)
	}
	q, err := queue.NewQueue[int64](seg, "queue", 8, queue.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return []flatOperation{
		{"lock", func() {
			if err := mu.Lock(ctx); err != nil {
				tb.Fatal(err)
			}
			mu.Unlock()
		}},
		{"put-get", func() {
			if err := q.Put(ctx, 1); err != nil {
				tb.Fatal(err)
			}
			if _, err := q.Get(ctx); err != nil {
				tb.Fatal(err)
			}
		}},
		{"open", func() {
			if _, err := shm.OpenRawValue[int64](seg, "none"); err == nil {
				tb.Fatal("an object that is not there was opened")
			}
		}},
	}
}

// TestFlatRows does each operation beside another process and other objects.
func TestFlatRows(t *testing.T) {
	dir := proctest.Dir(t)
	seg, err := shm.Create(segmentIn(dir), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	other := proctest.Start(t, bystander, dir)
	other.Expect("attached")
	for _, x := range flatOperations(t, seg) {
		x.do()
	}
	other.Send("end")
	other.WaitOK()
}
