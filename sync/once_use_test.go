//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// What a function writes to an ordinary variable is seen after Do, and after Done. The race
// detector is silent.
func TestOnceOrders(t *testing.T) {
	for range 50 {
		seg := newSegment(t)
		handles := []*shmsync.Once{newOnce(t, seg), newOnce(t, seg)}
		n := 0
		var wg sync.WaitGroup
		for i := range 6 {
			o := handles[i%2]
			wg.Go(func() {
				if i == 5 {
					for !o.Done() {
						runtime.Gosched()
					}
				} else {
					must(o.Do(background, func() error { n++; return nil }))
				}
				if n != 1 {
					t.Errorf("%d after the Do", n)
				}
			})
		}
		wg.Wait()
	}
}

func TestOnceNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	o := newOnce(t, newSegment(t))
	f := func() error { return errOnce }
	for _, what := range []string{"to run the function", "when it is done"} {
		if n := testing.AllocsPerRun(1000, func() { o.Do(background, f); o.Done() }); n != 0 {
			t.Errorf("%v allocations %s", n, what)
		}
		f = func() error { return nil }
	}
}

// Whatever the bytes are, no call panics, faults, or outlasts its context.
func TestOnceGarbage(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	mem := payloadOf(t, seg, "o", segment.KindOnce)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		scribble := func() {
			for i := range mem {
				if mem[i] = byte(random.Uint32()); round%2 == 0 {
					mem[i] = 0xff
				}
			}
		}
		scribble()
		//clock: with such words it may wait for ever
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		o.Do(ctx, func() error { return nil })
		o.Done()
		cancel()
		clear(mem)
		o.Do(background, func() error { scribble(); return nil })
	}
	clear(mem)
	mem[0] = 2 // neither done nor not
	wantErr(t, "do", o.Do(background, func() error { return nil }), nil)
}

// Several programs need a table, which one of them builds; any of them may be killed while it does
// so.
func ExampleOnce() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	once, err := shmsync.NewOnce(seg, "squares", shmsync.OnceOptions{})
	if err != nil {
		log.Fatal(err)
	}
	squares, err := shm.NewRawArray[int64](seg, "table", 5)
	if err != nil {
		log.Fatal(err)
	}
	build := func() error {
		fmt.Println("building")
		for i := range squares.Slice() {
			squares.Slice()[i] = int64(i * i)
		}
		return nil
	}
	for range 2 { // in as many processes
		if err := once.Do(context.Background(), build); err != nil {
			log.Fatal(err)
		}
		fmt.Println(squares.Slice())
	}
	// Output:
	// building
	// [0 1 4 9 16]
	// [0 1 4 9 16]
}
