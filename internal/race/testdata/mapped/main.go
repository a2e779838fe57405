// Command mapped synchronizes goroutines through a mapped page, which the race detector does not see.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/race"
	"golang.org/x/sys/unix"
)

var (
	word   *atomic.Uint32 // in a mapped page
	shadow race.Shadow
	value  int // what the word guards
)

func main() {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		panic(err)
	}
	word = (*atomic.Uint32)(unsafe.Pointer(unsafe.SliceData(page)))
	switch scene := os.Args[1]; scene {
	case "spinlock":
		spinLock(shadow.Acquire, shadow.Release)
	case "spinlock-bare":
		spinLock(func() {}, func() {})
	case "readers":
		readersThenWriter(shadow.ReleaseMerge)
	case "readers-unmerged":
		readersThenWriter(shadow.Release)
	default:
		panic("unknown scene " + scene)
	}
	fmt.Println("value", value, "detector", race.Enabled)
}

// spinLock has two goroutines add to value under a lock.
func spinLock(acquired, releasing func()) {
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range 1000 {
				for !word.CompareAndSwap(0, 1) {
					runtime.Gosched()
				}
				acquired()
				value++
				releasing()
				word.Store(0)
			}
		})
	}
	both.Wait()
}

// readersThenWriter has two goroutines read value one after the other, and a third write it when both are done.
func readersThenWriter(releasing func()) {
	turn := func(n uint32) {
		for word.Load() != n {
			runtime.Gosched()
		}
	}
	var all sync.WaitGroup
	for reader := range uint32(2) {
		all.Go(func() {
			turn(reader)
			if value != 0 {
				panic("read what was not written yet")
			}
			releasing()
			word.Store(reader + 1)
		})
	}
	all.Go(func() {
		turn(2)
		shadow.Acquire()
		value = 2000
	})
	all.Wait()
}
