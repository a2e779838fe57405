package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A61: close wakes all waiters, in this process and in others, and does not leave it to them to
// look again.
func TestCloseWakesAll(t *testing.T) {
	for policyName, policy := range policies {
		for name, op := range map[string]func(context.Context, *Queue[int64]) error{"put": putOne, "get": getOne} {
			t.Run(policyName+"/"+name, func(t *testing.T) {
				for range 3 {
					closeWakes(t, policy, name, op)
				}
			})
		}
	}
}

// closeWakes lets 20 goroutines and a process wait, closes the queue, and waits until they have
// noticed.
func closeWakes(t *testing.T, policy shmsync.WaitPolicy, name string, op func(context.Context, *Queue[int64]) error) {
	q, path := namedQueue[int64](t, 1, Options{Wait: policy})
	if name == "put" {
		mustPut(t, q, 1)
	}
	child := proctest.Start(t, roleWait, path, name)
	child.Expect("waiting")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := op(background, q); !errors.Is(err, ErrClosed) {
				t.Errorf("woken with %v", err)
			}
		})
	}
	if policy != shmsync.Spin {
		asleep.AwaitFor(t, q.o.Seg, "q", 2) // those of this process count as one
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	child.Expect("closed")
	child.WaitOK()
	if err := q.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// roleWait waits with args[1] on the queue of the segment args[0] until it is closed.
var roleWait = proctest.Register("wait", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	q, err := OpenQueue[int64](seg, "q", Options{})
	proctest.ExitOn(err)
	proctest.Say("waiting")
	op := getOne
	if args[1] == "put" {
		op = putOne
	}
	if err := op(background, q); !errors.Is(err, ErrClosed) {
		proctest.ExitOn(fmt.Errorf("woken with %v", err))
	}
	proctest.Say("closed")
})

// A put that runs at the time of the close is delivered if it says so, and only then.
func TestCloseDeliversWhatWasPut(t *testing.T) {
	for round := range 200 {
		q := newQueue[int64](t, 4, Options{})
		var put, got [3]int64
		var all sync.WaitGroup
		for g := range put {
			all.Go(func() {
				for q.Put(background, 1) == nil {
					put[g]++
				}
			})
			all.Go(func() {
				for _, err := range q.All(background) {
					if err != nil {
						t.Error(err)
						return
					}
					got[g]++
				}
			})
		}
		proctest.Stagger(200 * time.Microsecond)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if p, g := put[0]+put[1]+put[2], got[0]+got[1]+got[2]; p != g {
			t.Fatalf("round %d: put %d, got %d", round, p, g)
		}
	}
}
