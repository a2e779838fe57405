//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Goroutines hand an ordinary variable from one to the next through a barrier, with an action that writes to it, too.
// The race detector is silent.
func TestBarrierOrders(t *testing.T) {
	const parties, rounds = 4, 200
	seg := newSegment(t)
	n, sum := 0, 0
	b := newBarrier(t, seg, parties, shmsync.BarrierOptions{Action: func() error { sum += n; return nil }})
	again := newBarrier(t, seg, parties, shmsync.BarrierOptions{Action: func() error { sum += n; return nil }})
	var wg sync.WaitGroup
	for i := range parties {
		wg.Go(func() {
			for round := range rounds {
				if round%parties == i {
					n++
				}
				_, err := []*shmsync.Barrier{b, again}[i%2].Wait(background)
				must(err)
				if n != round+1 {
					t.Errorf("%d in round %d", n, round)
				}
				_, err = b.Wait(background)
				must(err)
			}
		})
	}
	wg.Wait()
	if want := rounds * (rounds + 1); sum != want {
		t.Errorf("the actions have added %d, want %d", sum, want)
	}
}

// Goroutines of one process make it a party at the same time: none of them breaks what another has begun.
func TestBarrierJoinTogether(t *testing.T) {
	seg := newSegment(t)
	for round := range 100 {
		var wg sync.WaitGroup
		name := fmt.Sprint("b", round)
		for range 4 {
			wg.Go(func() {
				b, err := shmsync.NewBarrier(seg, name, 4, shmsync.BarrierOptions{})
				must(err)
				if _, err := waitBarrier(b); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// A round allocates nothing: neither for who comes last, nor for who waits, spinning or asleep.
func TestBarrierNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	seg := newSegment(t)
	alone, err := shmsync.NewBarrier(seg, "alone", 1, shmsync.BarrierOptions{})
	must(err)
	if n := testing.AllocsPerRun(1000, func() { alone.Wait(background) }); n != 0 {
		t.Errorf("%v allocations of a barrier for one", n)
	}
	for name, policy := range map[string]shmsync.WaitPolicy{"adaptive": shmsync.Adaptive, "park": shmsync.Park} {
		const rounds = 2000
		b, err := shmsync.NewBarrier(seg, name, 2, shmsync.BarrierOptions{Wait: policy})
		must(err)
		other, err := shmsync.NewBarrier(openAgain(t, seg), name, 2, shmsync.BarrierOptions{Wait: policy})
		must(err)
		done := make(chan bool)
		go func() {
			for range rounds + 1 { // AllocsPerRun warms up with one
				if _, err := other.Wait(background); err != nil {
					panic(err)
				}
			}
			done <- true
		}()
		if n := testing.AllocsPerRun(rounds, func() { b.Wait(background) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		<-done
	}
}

const barrierCrowd = 1000

// barrier-crowd: SEGMENT. A thousand goroutines wait for the other process's ones. It says how many threads it has then.
var barrierCrowded = proctest.Register("barrier-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	b, err := shmsync.NewBarrier(seg, "b", 2*barrierCrowd, shmsync.BarrierOptions{})
	must(err)
	for proctest.Hear() == "go" {
		var wg sync.WaitGroup
		var failed atomic.Int64
		for range barrierCrowd {
			wg.Go(func() {
				if _, err := b.Wait(background); errors.Is(err, shmsync.ErrBroken) {
					failed.Add(1)
				} else {
					must(err)
				}
			})
		}
		for b.Waiting() < barrierCrowd {
			time.Sleep(time.Millisecond)
		}
		proctest.Say("%d", threads())
		wg.Wait()
		proctest.Say("%d", failed.Load())
	}
})

// A barrier of 1,000 goroutines in each of two processes needs few threads, and trips and breaks for all of them.
func TestBarrierCrowd(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2*barrierCrowd, shmsync.BarrierOptions{})
	c := proctest.Start(t, barrierCrowded, seg.Path())
	for round := range 6 {
		c.Send("go")
		var n int
		if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
			t.Errorf("while all wait the process has %d threads", n)
		}
		var indices sync.Map
		var wg sync.WaitGroup
		broken := round%2 == 1
		for i := range barrierCrowd {
			wg.Go(func() {
				if i == barrierCrowd-1 && broken {
					b.Abort()
				}
				index, err := waitBarrier(b)
				if err == nil {
					indices.Store(index, true)
				} else if !broken || !errors.Is(err, shmsync.ErrBroken) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if broken {
			c.Expect(fmt.Sprint(barrierCrowd))
			b.Reset()
			continue
		}
		c.Expect("0")
		for i := range barrierCrowd {
			if _, ok := indices.Load(barrierCrowd + i); !ok {
				t.Errorf("nobody came as number %d", barrierCrowd+i)
			}
		}
	}
	c.Kill()
}

// payloadOf is the shared memory of an object.
func payloadOf(t testing.TB, seg *shm.Segment, name string, kind segment.Kind) []byte {
	t.Helper()
	o, err := seg.Internal().Open(segment.Spec{Name: name, Kind: kind, Size: segment.AnySize})
	if err != nil {
		t.Fatal(err)
	}
	return o.Payload
}

// Whatever the bytes of a barrier are, no call panics, faults, or outlasts its context.
func TestBarrierGarbage(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 3, shmsync.BarrierOptions{Action: func() error { return nil }})
	mem := payloadOf(t, seg, "b", segment.KindBarrier)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		for i := range mem {
			switch round % 3 {
			case 0:
				mem[i] = byte(random.Uint32())
			case 1:
				mem[i] = 0xff
			default:
				if random.IntN(8) == 0 {
					mem[i] ^= 1 << random.IntN(8)
				}
			}
		}
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		for range 2 {
			b.Wait(ctx)
			b.Waiting()
			b.Broken()
			b.Reset()
		}
		b.Abort()
		cancel()
		if _, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{}); err != nil && !errors.Is(err, shm.ErrCorrupt) && !errors.Is(err, shm.ErrMismatch) {
			t.Errorf("another handle: %v", err)
		}
	}
	clear(mem)
	_, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{})
	wantErr(t, "open one for no parties", err, shm.ErrCorrupt)
	mem[48] = 3
	fresh := newBarrier(t, openAgain(t, seg), 3, shmsync.BarrierOptions{})
	if fresh.Broken() {
		t.Error("zeros are not a whole barrier")
	}
	for i := range mem[32:48] {
		mem[32+i] = 0xff // the lock of those who become parties
	}
	_, err = shmsync.OpenBarrier(openAgain(t, seg), "b", shmsync.BarrierOptions{})
	if !errors.Is(err, shm.ErrCorrupt) || !strings.Contains(err.Error(), "become a party") {
		t.Errorf("become a party with a damaged lock: %v", err)
	}
}

// Three workers compute in phases, each of which needs the results of all of the one before.
func ExampleBarrier() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	const workers = 3
	cells, err := shm.NewRawArray[int64](seg, "cells", workers)
	if err != nil {
		log.Fatal(err)
	}
	worker := func(own int) {
		barrier, err := shmsync.NewBarrier(seg, "phase", workers, shmsync.BarrierOptions{
			Action: func() error { fmt.Println(cells.Slice()); return nil }, // once in each phase
		})
		if err != nil {
			log.Fatal(err)
		}
		a := cells.Slice()
		for phase := range 4 {
			if phase == 0 {
				a[own] = int64(own) + 1
			} else {
				left := a[(own+workers-1)%workers]
				if _, err := barrier.Wait(context.Background()); err != nil { // all have read
					log.Fatal(err)
				}
				a[own] = left
			}
			if _, err := barrier.Wait(context.Background()); err != nil { // all have written
				log.Fatal(err)
			}
		}
	}
	var all sync.WaitGroup
	for own := range workers {
		all.Go(func() { worker(own) })
	}
	all.Wait()
	// Output:
	// [1 2 3]
	// [1 2 3]
	// [3 1 2]
	// [3 1 2]
	// [2 3 1]
	// [2 3 1]
	// [1 2 3]
}

// When a party dies, the others are told, and who it was. A Reset mends the barrier for those who are there then.
func ExampleBarrier_Reset() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	other, err := shm.FromFile(seg.File()) // stands for another process
	if err != nil {
		log.Fatal(err)
	}
	barrier, err := shmsync.NewBarrier(seg, "start", 2, shmsync.BarrierOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := shmsync.OpenBarrier(other, "start", shmsync.BarrierOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := other.Close(); err != nil { // or dies
		log.Fatal(err)
	}

	_, err = barrier.Wait(context.Background())
	var broken *shmsync.BrokenError
	if errors.As(err, &broken) {
		fmt.Println("broken by a death:", broken.Cause == shmsync.BrokenByDeath)
	}
	barrier.Reset()
	fmt.Println("broken:", barrier.Broken())
	// Output:
	// broken by a death: true
	// broken: false
}
