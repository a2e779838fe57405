//go:build linux

package shmsync_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/edsrzf/mmap-go"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func newDetecting(t testing.TB, seg *shm.Segment, name string) *shmsync.Mutex {
	t.Helper()
	m, err := shmsync.NewMutex(seg, name, shmsync.MutexOptions{DetectDeadlock: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// deadlock-closer: SEGMENT I N POLICY. Round after round it locks the lock I, waits until all N
// have done so, and locks the next one's at the same instant. It reports for each round whether
// that was refused; then it unlocks what it has.
var cycleCloser = proctest.Register("deadlock-closer", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	me, err := strconv.Atoi(args[1])
	must(err)
	n, err := strconv.Atoi(args[2])
	must(err)
	policy, err := strconv.Atoi(args[3])
	must(err)
	mutex := func(i int) *shmsync.Mutex {
		m, err := shmsync.NewMutex(seg, fmt.Sprint(i%n), shmsync.MutexOptions{DetectDeadlock: true, Wait: shmsync.WaitPolicy(policy)})
		must(err)
		return m
	}
	own, next := mutex(me), mutex(me+1)
	ready, err := shm.NewUint32(seg, "ready", 0)
	must(err)
	for round := uint32(1); proctest.Hear() == "go"; round++ {
		must(own.Lock(background))
		ready.Add(1)
		for ready.Load() < round*uint32(n) {
		}
		err := next.Lock(background)
		own.Unlock()
		if err == nil {
			next.Unlock()
			proctest.Say("ok")
		} else if errors.Is(err, shmsync.ErrDeadlock) {
			proctest.Say("deadlock")
		} else {
			panic(err)
		}
	}
})

// Of those that close a cycle at the same instant at least one is refused, and the others go on.
func TestDeadlockAtTheSameInstant(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3} {
		for _, policy := range []shmsync.WaitPolicy{shmsync.Adaptive, shmsync.Park} {
			t.Run(fmt.Sprint(n, policy), func(t *testing.T) {
				t.Parallel()
				closeTogether(t, n, policy)
			})
		}
	}
}

func closeTogether(t *testing.T, n int, policy shmsync.WaitPolicy) {
	seg := newSegment(t)
	var c []*proctest.Child
	for i := range n {
		c = append(c, proctest.Start(t, cycleCloser, seg.Path(), fmt.Sprint(i), fmt.Sprint(n), fmt.Sprint(int(policy))))
	}
	refused := map[int]int{}
	for range times(30) {
		for _, child := range c {
			child.Send("go")
		}
		some := 0
		for _, child := range c {
			if child.Line() == "deadlock" {
				some++
			}
		}
		refused[some]++
	}
	if refused[0] > 0 {
		t.Errorf("nobody was refused in %d rounds", refused[0])
	}
	t.Logf("rounds by how many were refused: %v", refused)
	for _, child := range c {
		child.Send("stop")
		child.WaitOK()
	}
	if r := report(t, seg); len(r.Waits) != 0 {
		t.Errorf("in the end:\n%v", r)
	}
}

const stormLocks = 3

// deadlock-storm: SEGMENT. It locks some of the locks, in ascending order, and unlocks them, until
// it is stopped. It reports how often.
var deadlockStorm = proctest.Register("deadlock-storm", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	stop, err := shm.NewUint32(seg, "stop", 0)
	must(err)
	var locks []*shmsync.Mutex
	for i := range stormLocks {
		m, err := shmsync.NewMutex(seg, fmt.Sprint(i), shmsync.MutexOptions{DetectDeadlock: true, Wait: shmsync.Park})
		must(err)
		locks = append(locks, m)
	}
	rounds := 0
	for ; stop.Load() == 0; rounds++ {
		var held []*shmsync.Mutex
		for _, m := range locks {
			if rand.IntN(4) > 0 {
				must(m.Lock(background))
				held = append(held, m)
				cpu.Pause(uint32(rand.IntN(1000)))
			}
		}
		for _, i := range rand.Perm(len(held)) {
			held[i].Unlock()
		}
	}
	proctest.Say("%d", rounds)
})

// Processes that lock in the same order are never told of a deadlock, however fast the locks change
// hands; nor is a cycle ever reported.
func TestNoFalseDeadlock(t *testing.T) {
	seg := newSegment(t)
	stop, err := shm.NewUint32(seg, "stop", 0)
	must(err)
	var c []*proctest.Child
	for range 4 {
		c = append(c, proctest.Start(t, deadlockStorm, seg.Path()))
	}
	reports, waits := 0, 0
	for reports < times(500) || waits == 0 {
		r := report(t, seg)
		if len(r.Cycles) != 0 {
			t.Fatalf("a cycle is reported:\n%v", r)
		}
		reports, waits = reports+1, waits+len(r.Waits)
	}
	stop.Store(1)
	rounds := 0
	for _, child := range c {
		n, err := strconv.Atoi(child.Line())
		must(err)
		rounds += n
		child.WaitOK()
	}
	t.Logf("%d rounds, %d reports of %d waits", rounds, reports, waits)
	if rounds == 0 {
		t.Error("there was no storm")
	}
}

// Whatever is written over the board, the locks and the directory, reports and detecting locks end,
// and panic in no way.
func TestBlockedGarbage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		seg := newSegment(t)
		var locks []*shmsync.Mutex
		for i := range 4 {
			locks = append(locks, newDetecting(t, seg, fmt.Sprint(i)))
		}
		c := blockedAgents(t, seg, 1)[0]
		told(t, c, "lock 0", "ok")
		told(t, c, "lock 1", "ok")
		must(locks[2].Lock(background))
		c.Send("lock 2")
		reportOf(t, seg, 1)
		f, err := os.OpenFile(seg.Path(), os.O_RDWR, 0)
		must(err)
		mem, err := mmap.Map(f, mmap.RDWR, 0)
		must(err)
		from, to := boardIn(mem)
		rnd := rand.New(rand.NewPCG(seed, 2))
		words := []uint64{0, 1<<64 - 1, 1<<56 | 1, 1<<56 | 1<<32 | 2, 1<<56 | 2<<32 | 3, 2<<56 | 7<<32 | 8, 255<<56 | 1, rnd.Uint64()}
		for range times(100) {
			for off := from; off < to; off += 8 {
				if off%512 != 0 || rnd.IntN(4) == 0 { // most rows keep their owner
					binary.NativeEndian.PutUint64(mem[off:], words[rnd.IntN(len(words))])
				}
			}
			began := time.Now()
			_ = report(t, seg).String()
			//clock: with such words it may wait for ever
			err := lockWithin(locks[rnd.IntN(2)], time.Millisecond)
			if err == nil {
				t.Fatal("locked what another process holds")
			}
			_ = err.Error()
			if took := time.Since(began); took > hangs {
				t.Fatalf("took %v", took)
			}
		}
		must(mem.Unmap())
		must(f.Close())
		c.Kill()
		locks[2].Unlock()
		for _, m := range locks[:2] {
			wantErr(t, "in the end", lockWithin(m, soon), shmsync.ErrOwnerDied)
		}
		repair(t, locks[0])
		repair(t, locks[1])
	}
}

// boardIn is where the board lies in the bytes of a segment: the header says where it and the next
// region begin.
func boardIn(mem []byte) (from, to int) {
	return int(binary.NativeEndian.Uint64(mem[56:])), int(binary.NativeEndian.Uint64(mem[64:]))
}

func TestDetectionAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m := newDetecting(t, newSegment(t), "a")
	if n := testing.AllocsPerRun(1000, func() {
		must(m.Lock(background))
		m.Unlock()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
