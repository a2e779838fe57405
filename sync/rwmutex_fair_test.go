//go:build linux

package shmsync_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
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

// rwCompetitor: SEGMENT GOROUTINES WRITES. It locks as often as it can until the match is over, WRITES times in a hundred
// for writing. It says how often it read and wrote, how many turns it had, and what its longest wait was, in nanoseconds.
var rwCompetitor = proctest.Register("rwmutex-competitor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	goroutines, err := strconv.Atoi(args[1])
	must(err)
	writes, err := strconv.Atoi(args[2])
	must(err)
	m := openRWMatch(seg)
	scores := make([]rwScore, goroutines)
	var seen atomic.Int64
	var wg sync.WaitGroup
	m.playing.Add(1)
	for i := range scores {
		wg.Go(func() { scores[i] = m.play(writes, &seen) })
	}
	wg.Wait()
	var sum rwScore
	for _, s := range scores {
		sum.reads, sum.writes = sum.reads+s.reads, sum.writes+s.writes
		sum.turns, sum.longest = sum.turns+s.turns, max(sum.longest, s.longest)
	}
	proctest.Say("%d %d %d %d", sum.reads, sum.writes, sum.turns, sum.longest)
})

// A turn of a process is what it reads and writes until another process writes.
type rwScore struct {
	reads, writes, turns int64
	longest              time.Duration
}

// play is one goroutine's part. Seen is what this process has written or read last.
func (m rwMatch) play(writes int, seen *atomic.Int64) (s rwScore) {
	n := m.pair.Pointer()
	for m.over.Load() == 0 {
		began := time.Now()
		if rand.IntN(100) < writes {
			must(m.m.Lock(background))
			s.longest = max(s.longest, time.Since(began))
			if seen.Swap(n[0]+1) != n[0] {
				s.turns++
			}
			n[0]++
			n[1]++
			m.m.Unlock()
			s.writes++
			continue
		}
		must(m.m.RLock(background))
		s.longest = max(s.longest, time.Since(began))
		if a, b := n[1], n[0]; a != b {
			panic(fmt.Sprintf("a reader sees %d and %d", a, b))
		} else if seen.Load() != a && seen.Swap(a) != a { // most of them only look
			s.turns++
		}
		if s.reads%64 == 0 {
			runtime.Gosched() // so that readers are found inside
		}
		m.m.RUnlock()
		s.reads++
	}
	return s
}

// Processes that compete have a quarter of an even share of the turns at least, whether they read, write or do both, and no
// goroutine waits for more than a second, and as long as the machine stalls each of those before it. Streams of readers and
// of writers do not keep each other out: each process locks a hundred times, or as often as stalls of all of them leave
// time for. Each match lasts two seconds, ten with SHMKIT_LONG=1.
//
// How often a process locks in one turn is not the lock's to share out: while the machine runs none of the others for a
// few milliseconds it is ten thousand times, and usually a few times. A handful of such turns would decide a match.
func TestRWMutexFairness(t *testing.T) {
	if race.Enabled {
		t.Skip("shares of time say nothing under the detector")
	}
	for name, writes := range map[string][]int{ // of each process, in a hundred
		"mixed":        {10, 10, 10, 10},
		"writers":      {100, 100, 100, 100},
		"one-writer":   {0, 0, 0, 100},
		"one-reader":   {100, 100, 100, 0},
		"half-and-one": {0, 0, 100, 100},
	} {
		t.Run(name, func(t *testing.T) { rwPlay(t, writes) })
	}
}

func rwPlay(t *testing.T, writes []int) {
	const goroutines = 4
	seg := newSegment(t)
	m := openRWMatch(seg)
	stall := stalls(t)
	var all []*proctest.Child
	for _, w := range writes {
		all = append(all, proctest.Start(t, rwCompetitor, seg.Path(), strconv.Itoa(goroutines), strconv.Itoa(w)))
	}
	proctest.Eventually(t, 20*time.Second, func() bool { return m.playing.Load() == uint32(len(all)) }, "not all began")
	match := longer(2 * time.Second)
	time.Sleep(match)
	m.over.Store(1)
	most := time.Second + time.Duration(len(all)*goroutines)*stall()
	least := min(100, int64(match/(time.Duration(len(all))*max(stall(), 1)))) // each process may stall before each round of one
	shares, written := map[int][]int64{}, int64(0)                            // turns of each process, by what it did
	for i, child := range all {
		child.WaitOK()
		var s rwScore
		if _, err := fmt.Sscan(child.Line(), &s.reads, &s.writes, &s.turns, (*int64)(&s.longest)); err != nil {
			t.Fatal(err)
		}
		t.Logf("process %d: read %d, wrote %d times, in %d turns, the longest wait was %v", i, s.reads, s.writes, s.turns, s.longest)
		if s.longest > most {
			t.Errorf("a goroutine waited for %v, stalls of the machine were up to %v", s.longest, stall())
		}
		if s.reads+s.writes < least {
			t.Errorf("process %d was kept out: it should lock %d times at least, as stalls of the machine were up to %v", i, least, stall())
		}
		written += s.writes
		shares[writes[i]] = append(shares[writes[i]], s.turns)
	}
	if n := *m.pair.Pointer(); n != [2]int64{written, written} {
		t.Errorf("the guarded numbers are %d, the lock was held for writing %d times", n, written)
	}
	for w, turns := range shares { // those who do the same are to be compared
		sum := int64(0)
		for _, n := range turns {
			sum += n
		}
		if least, fair := slices.Min(turns), sum/int64(len(turns)); least < fair/4 {
			t.Errorf("a process that writes %d times in a hundred had %d turns, an even share is %d", w, least, fair)
		}
	}
}

// Readers of a process that come while a writer is inside go in together after it, before the next writer. Should the
// machine take more than five milliseconds to run them, the writer goes first; but not every time.
func TestRWMutexTurn(t *testing.T) {
	const rounds, readers = 10, 50
	first := 0
	for range rounds {
		seg := newSegment(t)
		m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
		writer := rwAgentThat(t, seg, "lock", "ok")
		second := rwAgentIn(t, seg, "lock")
		inside := make(chan bool)
		for range readers {
			go func() {
				must(m.RLock(background))
				inside <- true
			}()
		}
		time.Sleep(20 * time.Millisecond)
		told(t, writer, "unlock", "ok")
		came := 0
		for timeout := time.After(soon / 4); came < readers && timeout != nil; {
			select {
			case <-inside:
				came++
			case <-timeout: // then none of them
				timeout = nil
			}
		}
		switch came {
		case readers:
			first++
			proctest.Eventually(t, soon, func() bool {
				err := m.TryRLock()
				if err == nil {
					m.RUnlock()
				}
				return err != nil
			}, "the second writer does not keep new readers out")
		case 0:
			second.Expect("ok")
			told(t, second, "unlock", "ok")
			for range readers {
				<-inside
			}
		default:
			t.Fatalf("%d of %d readers went in together", came, readers)
		}
		for range readers {
			m.RUnlock()
		}
		if came == readers {
			second.Expect("ok")
		}
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
