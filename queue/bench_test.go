package queue

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// line is a message of one cache line.
type line [8]uint64

// roleDrain takes args[1] messages from the queue of the segment args[0].
var roleDrain = proctest.Register("drain", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	q, err := OpenQueue[line](seg, "q", Options{})
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

// BenchmarkStream is one producer and one consumer, as goroutines and as processes.
func BenchmarkStream(b *testing.B) {
	for _, capacity := range []int{64, 1024, 8192} {
		b.Run(fmt.Sprint("goroutines/cap=", capacity), func(b *testing.B) {
			b.ReportAllocs()
			q := newQueue[line](b, capacity, Options{})
			done := make(chan bool)
			b.ResetTimer()
			go func() {
				for range b.N {
					q.Get(background)
				}
				close(done)
			}()
			produce(b, q)
			<-done
		})
		b.Run(fmt.Sprint("processes/cap=", capacity), func(b *testing.B) {
			q, path := namedQueue[line](b, capacity, Options{})
			child := proctest.Start(b, roleDrain, path, strconv.Itoa(b.N))
			child.Expect("ready")
			b.ResetTimer()
			produce(b, q)
			child.Expect("done")
			b.StopTimer()
			child.WaitOK()
		})
	}
}

func produce(b *testing.B, q *Queue[line]) {
	for i := range uint64(b.N) {
		if err := q.Put(background, line{i, 1, 2, 3, 4, 5, 6, i}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPutGet is a put and a get by one goroutine.
func BenchmarkPutGet(b *testing.B) {
	b.Run("bytes=8", func(b *testing.B) { putGet[uint64](b) })
	b.Run("bytes=64", func(b *testing.B) { putGet[line](b) })
	b.Run("bytes=4096", func(b *testing.B) { putGet[[512]uint64](b) })
}

func putGet[T any](b *testing.B) {
	b.ReportAllocs()
	q := newQueue[T](b, 64, Options{})
	var v T
	for b.Loop() {
		if err := q.Put(background, v); err != nil {
			b.Fatal(err)
		}
		if _, err := q.Get(background); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoundTrip is a message to another process and back.
func BenchmarkRoundTrip(b *testing.B) {
	there, back, child := echo(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := there.Put(background, line{}); err != nil {
			b.Fatal(err)
		}
		if _, err := back.Get(background); err != nil {
			b.Fatal(err)
		}
	}
	there.Close()
	child.WaitOK()
}

// BenchmarkMany is several producers and consumers, all goroutines of one process.
func BenchmarkMany(b *testing.B) {
	for _, sides := range []int{2, 8} {
		b.Run(fmt.Sprint("each=", sides), func(b *testing.B) {
			b.ReportAllocs()
			q := newQueue[line](b, 1024, Options{})
			var producers, consumers sync.WaitGroup
			for g := range sides {
				producers.Go(func() {
					for i := g; i < b.N; i += sides {
						q.Put(background, line{})
					}
				})
				consumers.Go(func() {
					for range q.All(background) {
					}
				})
			}
			producers.Wait()
			q.Close()
			consumers.Wait()
		})
	}
}
