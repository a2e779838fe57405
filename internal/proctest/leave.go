package proctest

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Use is an operation that meets the end of the object on which it works: a Close or a Detach.
type Use struct {
	Name string
	// Do runs the operation for the i-th time. It returns nil when the result is a right one, the
	// operation's error when that says that the end has come, and another error when the result is
	// wrong.
	Do func(i int) error
	// Silent says that the operation returns no error.
	Silent bool
}

// Leave lets uses meet an end. Some of them, drawn at random, run again and again while leave runs,
// each on a goroutine of its own, until they have returned an error that is closed. A silent use
// runs once more after leave has returned. The garbage collector runs all the time, so that memory
// to which nothing leads is unmapped.
func Leave(t testing.TB, some int, closed error, leave func() error, uses ...Use) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	rand.Shuffle(len(uses), func(i, j int) { uses[i], uses[j] = uses[j], uses[i] })
	var left atomic.Bool
	var all sync.WaitGroup
	for _, u := range uses[:min(some, len(uses))] {
		all.Go(func() {
			if err := u.until(closed, &left); err != nil {
				t.Errorf("%s: %v", u.Name, err)
			}
		})
	}
	Stagger(time.Millisecond)
	if err := leave(); err != nil {
		t.Errorf("the end: %v", err)
	}
	left.Store(true)
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	Ends(t, done, "each use ends")
}

// until runs the use until its error tells of the end, and returns any other error.
func (u Use) until(closed error, left *atomic.Bool) error {
	for i := 0; ; i++ {
		last := left.Load()
		err := u.Do(i)
		switch {
		case errors.Is(err, closed):
			return nil
		case err != nil:
			return err
		case last && !u.Silent:
			return errors.New("it succeeds after the end")
		case last:
			return nil
		}
		runtime.Gosched() // uses that do not wait would keep the others from running
	}
}
