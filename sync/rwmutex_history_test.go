//go:build linux

package shmsync_test

import (
	"errors"
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

// An rwOp is one operation of a history: read the guarded number, or add one to it and return what
// it was. It lies in shared memory, so that it survives its process.
type rwOp struct {
	Call, Return uint64 // times of the common clock; 0: has not happened
	Old          int64
	Write        bool
	Refused      bool // nothing was done, as a writer had died
	Told         bool // of a death, before it
}

// An rwHistory is what its processes share.
type rwHistory struct {
	m       *shmsync.RWMutex
	numbers *shm.RawValue[[2]int64] // guarded by m; equal unless a writer is between its two writes
	ops     *shm.RawArray[rwOp]
	clock   *shm.Uint64
	inside  *shm.Uint32 // the process that has the lock for writing, from 1
}

func openRWHistory(seg *shm.Segment) (h rwHistory) {
	var err error
	h.numbers, err = shm.NewRawValue(seg, "numbers", [2]int64{})
	must(err)
	h.ops, err = shm.NewRawArray[rwOp](seg, "ops", historians*fetchesEach)
	must(err)
	h.clock, err = shm.NewUint64(seg, "clock", 0)
	must(err)
	h.inside, err = shm.NewUint32(seg, "inside", 0)
	must(err)
	h.m, err = shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	return h
}

// do does one operation of a process and writes down how it went.
func (h rwHistory) do(who int, op *rwOp) {
	n := h.numbers.Pointer()
	op.Call = h.clock.Add(1)
	if !op.Write {
		err := h.m.RLock(background)
		op.Refused = errors.Is(err, shmsync.ErrOwnerDied)
		if !op.Refused {
			must(err)
			op.Old = n[1]
			cpu.Pause(uint32(rand.IntN(200)))
			if n[0] != op.Old {
				op.Old = -1 // it sees a writer's work in progress
			}
			h.m.RUnlock()
		}
		op.Return = h.clock.Add(1)
		return
	}
	must(h.m.LockRepair(background, func(*shmsync.OwnerDiedError) error {
		n[0] = n[1] // the dead one's operation did not happen
		op.Told = true
		return nil
	}))
	h.inside.Store(uint32(who) + 1)
	old := n[0]
	n[0] = old + 1
	cpu.Pause(uint32(rand.IntN(1000)))
	n[1] = old + 1
	h.inside.Store(0)
	h.m.Unlock()
	op.Old = old
	op.Return = h.clock.Add(1)
}

// rwHistorian: SEGMENT NUMBER. It does its operations, one in three of which writes.
var rwHistorian = proctest.Register("rwmutex-historian", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	who, err := strconv.Atoi(args[1])
	must(err)
	h := openRWHistory(seg)
	mine := h.ops.Slice()[who*fetchesEach:][:fetchesEach]
	proctest.Say("ready")
	proctest.Hear()
	for i := range mine {
		mine[i].Write = rand.IntN(3) == 0
		h.do(who, &mine[i])
	}
})

// rwNumber is the guarded number as porcupine sees it. A write that may or may not have happened
// ends after all others, so that it may have happened when no other operation could see it any
// more.
var rwNumber = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		n, op := state.(int64), input.(rwOp)
		switch {
		case op.Refused || op.Return == 0 && !op.Write:
			return true, n
		case op.Write:
			return op.Return == 0 || op.Old == n, n + 1
		}
		return op.Old == n, n
	},
}

// A history of processes that read and write under the lock is one of an atomic counter, also when
// some of them are killed at any time and the others repair what they left.
func TestRWMutexLinearizable(t *testing.T) {
	t.Parallel()
	rounds := 9
	if long {
		rounds = 300
	}
	told := 0
	// None is killed, one, or two. On a busy machine a kill may come late each time: then there are
	// more rounds.
	for round := 0; round < rounds || told == 0 && round < 10*rounds; round++ {
		told += rwPlayHistory(t, round%3)
	}
	t.Logf("%d times a process was told of a death", told)
	if told == 0 {
		t.Error("no process was told of a death in any round")
	}
}

func rwPlayHistory(t *testing.T, kills int) (told int) {
	seg := newSegment(t)
	h := openRWHistory(seg)
	var children []*proctest.Child
	for i := range historians {
		c := proctest.Start(t, rwHistorian, seg.Path(), fmt.Sprint(i))
		c.Expect("ready")
		children = append(children, c)
	}
	for _, c := range children {
		c.Send("go")
	}
	for range kills { // of a writer, if it still has the lock when the signal arrives
		at := h.clock.Load() + uint64(rand.IntN(historians*fetchesEach))
		who := uint32(0)
		for look := 0; (h.clock.Load() < at || who == 0) && look < historyLooks; look++ {
			who = h.inside.Load()
		}
		children[max(who, 1)-1].Signal(syscall.SIGKILL)
	}
	for _, c := range children {
		if state := c.Wait(); !state.Success() && state.String() != "signal: killed" {
			t.Fatalf("a historian: %v\n%s", state, c.Stderr())
		}
	}
	last := rwOp{Write: true}
	h.do(historians, &last)
	if last.Told {
		told++
	}
	ops := []porcupine.Operation{rwOperation(historians, last)}
	for i, op := range h.ops.Slice() {
		if op.Told {
			told++
		}
		if op.Call > 0 {
			ops = append(ops, rwOperation(i/fetchesEach, op))
		}
	}
	if result := porcupine.CheckOperationsTimeout(rwNumber, ops, hangs); result != porcupine.Ok {
		t.Fatalf("the history is %v: %v", result, ops)
	}
	return told
}

func rwOperation(who int, op rwOp) porcupine.Operation {
	end := int64(op.Return)
	if end == 0 {
		end = math.MaxInt64
	}
	return porcupine.Operation{ClientId: who, Input: op, Call: int64(op.Call), Return: end}
}
