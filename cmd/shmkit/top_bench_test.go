//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// crowd makes a segment with that many Counters and as many Queues.
func crowd(t testing.TB, pairs int) *shm.Segment {
	t.Helper()
	seg := must(shm.Create(filepath.Join(proctest.Dir(t), "crowd"), shm.Options{Size: 16 << 20, Objects: 4096}))
	t.Cleanup(func() { seg.Close() })
	for i := range pairs {
		must(shm.NewCounter(seg, fmt.Sprint("counter", i)))
		must(queue.NewQueue[order](seg, fmt.Sprint("queue", i), 64, queue.Options{}))
	}
	return seg
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	must(0, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reads is how many system calls that read this process has made. Some systems do not count them.
func reads(t testing.TB) (n int) {
	t.Helper()
	counts, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("this system does not count what a process reads: ", err)
	}
	for line := range strings.Lines(string(counts)) {
		if text, ok := strings.CutPrefix(line, "syscr: "); ok {
			must(fmt.Sscan(text, &n))
		}
	}
	return n
}

// BenchmarkTop is one look of top at 1,000 objects, and the screen that shows it. cpu-% is the
// share of a processor that it takes at one look a second. The floor reads the head of each object,
// by one system call each, and does nothing with it.
func BenchmarkTop(b *testing.B) {
	seg := crowd(b, 500)
	share := func(b *testing.B, look func()) {
		before, readsBefore := processorTime(), reads(b)
		for b.Loop() {
			look()
		}
		b.ReportMetric(100*(processorTime()-before).Seconds()/float64(b.N), "cpu-%")
		b.ReportMetric(float64(reads(b)-readsBefore)/float64(b.N), "reads/op")
	}
	b.Run("impl=shmkit", func(b *testing.B) {
		t := &tool{out: io.Discard, err: io.Discard}
		m := newTop(func() page { return t.collect(background, []string{seg.Path()}) }, time.Second)
		share(b, func() {
			m.Update(m.look())
			if len(m.page.Queues) != 500 || m.text() == "" {
				b.Fatalf("%d queues, %v", len(m.page.Queues), m.page.Trouble)
			}
		})
	})
	b.Run("impl=floor", func(b *testing.B) {
		f := must(os.Open(seg.Path()))
		defer f.Close()
		head := make([]byte, 256)
		share(b, func() {
			for i := range 1000 {
				must(f.ReadAt(head, int64(i)*1024))
			}
		})
	})
}

// A look of top reads each object a few times, however many there are.
func TestTopReadsAnObjectAFewTimes(t *testing.T) {
	look := func(pairs int) int {
		seg := crowd(t, pairs)
		tool := &tool{out: io.Discard, err: io.Discard}
		before := reads(t)
		p := tool.collect(background, []string{seg.Path()})
		if len(p.Queues) != pairs || len(p.Trouble) > 0 {
			t.Fatalf("%d queues, %v", len(p.Queues), p.Trouble)
		}
		return reads(t) - before
	}
	few, many := look(50), look(250)
	t.Logf("%d reads for 100 objects, %d for 500", few, many)
	if each := float64(many-few) / 400; each > 3 {
		t.Errorf("%d reads for 100 objects and %d for 500: %.1f for each more", few, many, each)
	}
}
