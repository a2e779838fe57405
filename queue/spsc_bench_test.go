package queue

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleSPSCDrain takes args[1] messages from the queue of the segment args[0].
var roleSPSCDrain = proctest.Register("spsc-drain", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	q, err := OpenSPSC[line](seg, "q", Options{})
	proctest.ExitOn(err)
	n, _ := strconv.Atoi(args[1])
	proctest.Say("ready")
	for i := range n {
		v, err := q.Get(background)
		proctest.ExitOn(err)
		if v[0] != uint64(i) || v[7] != uint64(i) {
			proctest.ExitOn(fmt.Errorf("message %d is %v", i, v))
		}
	}
	proctest.Say("done")
})

// BenchmarkSPSC is a stream from one process to another.
func BenchmarkSPSC(b *testing.B) {
	path := proctest.Dir(b) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	q, err := NewSPSC[line](seg, "q", 1024, Options{})
	if err != nil {
		b.Fatal(err)
	}
	child := proctest.Start(b, roleSPSCDrain, path, strconv.Itoa(b.N))
	child.Expect("ready")
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := q.Put(background, line{uint64(i), 7: uint64(i)}); err != nil {
			b.Fatal(err)
		}
	}
	child.Expect("done")
	b.StopTimer()
	child.WaitOK()
}

// BenchmarkSPSCAlone puts and gets in one goroutine: what the instructions cost when no cache line
// moves.
func BenchmarkSPSCAlone(b *testing.B) {
	q, err := NewSPSC[line](newSegment(b, shm.Options{}), "q", 1024, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := q.Put(background, line{uint64(i)}); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Get(background); err != nil {
			b.Fatal(err)
		}
	}
}
