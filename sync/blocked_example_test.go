//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// detecting opens two locks for one process. Here each process is an attachment of its own to the
// segment.
func detecting(file *shm.Segment) (from, to *shmsync.Mutex, seg *shm.Segment) {
	seg, err := shm.FromFile(file.File())
	if err != nil {
		log.Fatal(err)
	}
	from, err = shmsync.NewMutex(seg, "from", shmsync.MutexOptions{DetectDeadlock: true})
	if err != nil {
		log.Fatal(err)
	}
	to, err = shmsync.NewMutex(seg, "to", shmsync.MutexOptions{DetectDeadlock: true})
	if err != nil {
		log.Fatal(err)
	}
	return from, to, seg
}

// Two processes lock two accounts in different orders. The report shows the waits. The attempt that
// would close the cycle fails, and its process unlocks what it has.
func ExampleBlocked() {
	file, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	ctx := context.Background()
	from1, to1, seg1 := detecting(file)
	defer seg1.Close()
	from2, to2, seg2 := detecting(file)
	defer seg2.Close()

	from1.Lock(ctx)
	to2.Lock(ctx)
	locked := make(chan error)
	go func() { locked <- to1.Lock(ctx) }()
	for {
		report, err := shmsync.Blocked(file)
		if err != nil {
			log.Fatal(err)
		}
		if len(report.Waits) == 0 {
			time.Sleep(time.Millisecond) // between two looks
			continue
		}
		w := report.Waits[0]
		fmt.Printf("one process waits for the %s %q (%s), which %d other holds\n", w.Kind, w.Object, w.Role, len(w.Holders))
		break
	}

	err = from2.Lock(ctx)
	fmt.Println("deadlock:", errors.Is(err, shmsync.ErrDeadlock))
	to2.Unlock()
	fmt.Println("the other locks:", <-locked)
	to1.Unlock()
	from1.Unlock()
	// Output:
	// one process waits for the Mutex "to" (lock), which 1 other holds
	// deadlock: true
	// the other locks: <nil>
}
