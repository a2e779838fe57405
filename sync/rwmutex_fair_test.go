//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// An rwMatch is what competing processes share.
type rwMatch struct {
	m       *shmsync.RWMutex
	pair    *shm.RawValue[[2]int64] // guarded by m; equal unless a writer is inside
	playing *shm.Uint32             // how many processes are ready
	over    *shm.Uint32             // 1: the match is over
}

func openRWMatch(seg *shm.Segment) (m rwMatch) {
	var err error
	m.m, err = shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	m.pair, err = shm.NewRawValue(seg, "pair", [2]int64{})
	must(err)
	m.playing, err = shm.NewUint32(seg, "playing", 0)
	must(err)
	m.over, err = shm.NewUint32(seg, "over", 0)
	must(err)
	return m
}

// rwCompetitor: SEGMENT GOROUTINES WRITES LEAST. It locks as often as it can until the match is
// over, WRITES times in a hundred for writing. It says "enough" once each goroutine has locked
// LEAST times, and in the end how often it read and wrote.
var rwCompetitor = proctest.Register("rwmutex-competitor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	var n [3]int
	for i := range n {
		n[i], err = strconv.Atoi(args[1+i])
		must(err)
	}
	m := openRWMatch(seg)
	var reads, writes atomic.Int64
	var enough, all sync.WaitGroup
	m.playing.Add(1)
	enough.Add(n[0])
	for range n[0] {
		all.Go(func() {
			r, w := m.play(n[1], n[2], &enough)
			reads.Add(r)
			writes.Add(w)
		})
	}
	enough.Wait()
	proctest.Say("enough")
	all.Wait()
	proctest.Say("%d %d", reads.Load(), writes.Load())
})

// play is one goroutine's part.
func (m rwMatch) play(percent, least int, enough *sync.WaitGroup) (reads, writes int64) {
	n := m.pair.Pointer()
	for m.over.Load() == 0 || reads+writes < int64(least) {
		if rand.IntN(100) < percent {
			must(m.m.Lock(background))
			n[0]++
			n[1]++
			m.m.Unlock()
			writes++
		} else {
			must(m.m.RLock(background))
			if a, b := n[1], n[0]; a != b {
				panic(fmt.Sprintf("a reader sees %d and %d", a, b))
			}
			if reads%64 == 0 {
				runtime.Gosched() // so that readers are found inside
			}
			m.m.RUnlock()
			reads++
		}
		if reads+writes == int64(least) {
			enough.Done()
		}
	}
	return reads, writes
}

// Of processes that compete none is kept out, whether they read, write or do both: each goroutine
// of each of them locks fifty times, five hundred with SHMKIT_LONG=1, while streams of readers and
// of writers go on.
func TestRWMutexFairness(t *testing.T) {
	t.Parallel()
	for name, writes := range map[string][]int{ // of each process, in a hundred
		"mixed":        {10, 10, 10, 10},
		"writers":      {100, 100, 100, 100},
		"one-writer":   {0, 0, 0, 100},
		"one-reader":   {100, 100, 100, 0},
		"half-and-one": {0, 0, 100, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rwPlay(t, writes)
		})
	}
}

func rwPlay(t *testing.T, writes []int) {
	const goroutines = "4"
	seg := newSegment(t)
	m := openRWMatch(seg)
	var all []*proctest.Child
	for _, w := range writes {
		all = append(all, proctest.Start(t, rwCompetitor, seg.Path(), goroutines, strconv.Itoa(w), strconv.Itoa(times(50))))
	}
	for _, child := range all {
		child.Expect("enough")
	}
	m.over.Store(1)
	written := int64(0)
	for i, child := range all {
		child.WaitOK()
		var read, wrote int64
		if _, err := fmt.Sscan(child.Line(), &read, &wrote); err != nil {
			t.Fatal(err)
		}
		t.Logf("process %d: read %d, wrote %d times", i, read, wrote)
		written += wrote
	}
	if n := *m.pair.Pointer(); n != [2]int64{written, written} {
		t.Errorf("the guarded numbers are %d, the lock was held for writing %d times", n, written)
	}
}

// Readers of a process that come while a writer is inside go in together after it, before the next
// writer. Should the machine take more than five milliseconds to run them, the writer goes first;
// but not every time.
func TestRWMutexTurn(t *testing.T) {
	const readers = 50
	first, rounds := 0, 0
	for ; rounds < 10 || first == 0 && rounds < 1000; rounds++ {
		seg := newSegment(t)
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
		writer := rwAgentThat(t, seg, "lock", "ok")
		second := rwAgentIn(t, seg, "lock")
		inside, release := make(chan bool, readers), make(chan struct{})
		var all sync.WaitGroup
		for range readers {
			all.Go(func() {
				must(m.RLock(background))
				inside <- true
				<-release
				m.RUnlock()
			})
		}
		// the second writer, and readers of this process, which are one wait
		asleepOn(t, seg, "a", 2)
		told(t, writer, "unlock", "ok")
		wrote := make(chan struct{})
		go func() {
			second.Expect("ok")
			close(wrote)
		}()
		select {
		case <-inside:
			first++
			proctest.Eventually(t, hangs, func() bool {
				err := m.TryRLock()
				if err == nil {
					m.RUnlock()
				}
				return err != nil
			}, "the second writer does not keep new readers out")
			if isClosed(wrote) {
				t.Fatal("a writer is inside with readers")
			}
			t.Logf("%d of %d readers went in before the writer", 1+len(inside), readers)
		case <-wrote:
		}
		close(release)
		<-wrote
		told(t, second, "unlock", "ok")
		all.Wait()
		second.Kill()
		writer.Kill()
	}
	t.Logf("the readers were first %d times in %d", first, rounds)
	if first == 0 {
		t.Error("the next writer was always faster")
	}
}

// A waiter that gives up leaves the others as they were.
func TestRWMutexGiveUp(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	for _, hold := range []string{"lock", "rlock"} {
		holder := rwAgentThat(t, seg, hold, "ok")
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				//clock: waiters that give up are the subject
				ctx, cancel := context.WithTimeout(background, time.Duration(i)*100*time.Microsecond)
				defer cancel()
				if i%4 == 0 {
					wantErrIn(t, "Lock", m.Lock(ctx), context.DeadlineExceeded)
				} else if err := m.RLock(ctx); err == nil && hold == "rlock" {
					m.RUnlock()
				} else {
					wantErrIn(t, "RLock", err, context.DeadlineExceeded)
				}
			})
		}
		wg.Wait()
		told(t, holder, map[string]string{"lock": "unlock", "rlock": "runlock"}[hold], "ok")
		told(t, holder, "try", "ok")
		told(t, holder, "unlock", "ok")
		wantErr(t, "TryRLock in the end", m.TryRLock(), nil)
		m.RUnlock()
		holder.Kill()
	}
}

// wantErrIn is wantErr for goroutines.
func wantErrIn(t *testing.T, what string, err, want error) {
	if verdict(err) != verdict(want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
