//go:build linux

package shmsync_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A fetch is one operation of a history: add one to the guarded number, and return what it was. It
// lies in shared memory, so that it survives its process.
type fetch struct {
	Call, Return uint64 // times of the common clock; 0: has not happened
	Old          int64
	Told         bool // of a death, before it
}

const (
	fetchesEach = 40
	historians  = 4
)

// A history is what its processes share.
type history struct {
	m       *shmsync.Mutex
	numbers *shm.RawValue[[2]int64] // guarded by m; equal unless a holder is between its two writes
	fetches *shm.RawArray[fetch]
	clock   *shm.Uint64
	inside  *shm.Uint32 // the last process that got the lock
}

func openHistory(seg *shm.Segment) (h history) {
	var err error
	h.numbers, err = shm.NewRawValue(seg, "numbers", [2]int64{})
	must(err)
	h.fetches, err = shm.NewRawArray[fetch](seg, "fetches", historians*fetchesEach)
	must(err)
	h.clock, err = shm.NewUint64(seg, "clock", 0)
	must(err)
	h.inside, err = shm.NewUint32(seg, "inside", 0)
	must(err)
	h.m, err = shmsync.NewMutex(seg, "a", shmsync.MutexOptions{})
	must(err)
	return h
}

// fetch does one operation of a process and writes down how it went.
func (h history) fetch(who int, f *fetch) {
	n := h.numbers.Pointer()
	f.Call = h.clock.Add(1)
	must(h.m.LockRepair(background, func(*shmsync.OwnerDiedError) error {
		n[0] = n[1] // the dead one's operation did not happen
		f.Told = true
		return nil
	}))
	h.inside.Store(uint32(who))
	old := n[0]
	n[0] = old + 1
	cpu.Pause(uint32(rand.IntN(1000)))
	n[1] = old + 1
	h.m.Unlock()
	f.Old = old
	f.Return = h.clock.Add(1)
}

// historyLooks is how often a killer looks at the clock for its moment, which may be after the end.
const historyLooks = 1_000_000

// historian: SEGMENT NUMBER. It does its fetches.
var historian = proctest.Register("historian", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	who, err := strconv.Atoi(args[1])
	must(err)
	h := openHistory(seg)
	mine := h.fetches.Slice()[who*fetchesEach:][:fetchesEach]
	proctest.Say("ready")
	proctest.Hear()
	for i := range mine {
		h.fetch(who, &mine[i])
	}
})

// fetchAndAdd is the guarded number as porcupine sees it. An operation that may or may not have
// happened ends after all others, so that it may have happened when no other operation could see it
// any more.
var fetchAndAdd = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		n, f := state.(int64), input.(fetch)
		return f.Return == 0 || f.Old == n, n + 1
	},
}

// A history of processes that lock, read, write and unlock is one of an atomic counter, also when
// some of them are killed at any time and the others repair what they left.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	rounds := 9
	if long {
		rounds = 300
	}
	told := 0
	// Should no kill hit in time, as on a busy machine, there are more rounds.
	for round := 0; round < rounds || told == 0 && round < 10*rounds; round++ {
		told += playHistory(t, round%3) // none is killed, one, or two
	}
	t.Logf("%d times a process was told of a death", told)
	if told == 0 {
		t.Error("no process was told of a death in any round")
	}
}

func playHistory(t *testing.T, kills int) (told int) {
	seg := newSegment(t)
	h := openHistory(seg)
	var children []*proctest.Child
	for i := range historians {
		c := proctest.Start(t, historian, seg.Path(), fmt.Sprint(i))
		c.Expect("ready")
		children = append(children, c)
	}
	for _, c := range children {
		c.Send("go")
	}
	for range kills { // mostly of a holder of the lock
		at := h.clock.Load() + uint64(rand.IntN(historians*fetchesEach))
		for look := 0; h.clock.Load() < at && look < historyLooks; look++ {
		}
		children[h.inside.Load()].Signal(syscall.SIGKILL)
	}
	for _, c := range children {
		if state := c.Wait(); !state.Success() && state.String() != "signal: killed" {
			t.Fatalf("a historian: %v\n%s", state, c.Stderr())
		}
	}
	var last fetch
	h.fetch(historians, &last)
	ops := []porcupine.Operation{operation(historians, last)}
	for i, f := range h.fetches.Slice() {
		if f.Told {
			told++
		}
		if f.Call > 0 {
			ops = append(ops, operation(i/fetchesEach, f))
		}
	}
	if result := porcupine.CheckOperationsTimeout(fetchAndAdd, ops, hangs); result != porcupine.Ok {
		t.Fatalf("the history is %v: %v", result, ops)
	}
	if last.Told {
		told++
	}
	return told
}

func operation(who int, f fetch) porcupine.Operation {
	end := int64(f.Return)
	if end == 0 {
		end = math.MaxInt64
	}
	return porcupine.Operation{ClientId: who, Input: f, Call: int64(f.Call), Return: end}
}
