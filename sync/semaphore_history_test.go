//go:build linux

package shmsync_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// An op is one operation of a history. It lies in shared memory, so that it survives its process.
type op struct {
	Call, Return uint64 // times of the common clock; 0: has not happened
	Kind         int64
	Units        int64 // how many were acquired or released, or seen to be free
}

const (
	opAcquire = 1 + iota
	opRelease
	opLook
	opNothing // an Acquire that gave up
	opDeath

	opsEach    = 60
	opUnits    = 3
	unitDoers  = 4
	opWaits    = 5 * time.Millisecond
	theirGuard = unitDoers // the test itself, as one more doer
)

// unitLog is what the processes of a history share.
type unitLog struct {
	s     *shmsync.Semaphore
	ops   *shm.RawArray[op]
	clock *shm.Uint64
}

func openUnitLog(seg *shm.Segment) (l unitLog) {
	var err error
	l.s, err = shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	must(err)
	l.ops, err = shm.NewRawArray[op](seg, "ops", unitDoers*opsEach)
	must(err)
	l.clock, err = shm.NewUint64(seg, "clock", 0)
	must(err)
	return l
}

// do does one operation and writes down how it went. The kind is there before the call is.
func (l unitLog) do(d *op, kind, units int64) (ok bool) {
	d.Kind, d.Units = kind, units
	d.Call = l.clock.Add(1)
	switch kind {
	case opAcquire:
		//clock: the time-out is the subject
		if err := acquireWithin(l.s, units, opWaits); err != nil {
			if verdict(err) != "deadline" {
				panic(err)
			}
			d.Kind = opNothing
		}
	case opRelease:
		must(l.s.Release(units))
	case opLook:
		d.Units = l.s.Available()
	}
	d.Return = l.clock.Add(1)
	return d.Kind != opNothing
}

// isDoing reports whether a historian is about to do something.
func (l unitLog) isDoing(who int) bool {
	for i := range opsEach {
		d := &l.ops.Slice()[who*opsEach+i]
		if atomic.LoadUint64(&d.Call) != 0 && atomic.LoadUint64(&d.Return) == 0 {
			return true
		}
	}
	return false
}

// semaphore-historian: SEGMENT NUMBER. It acquires, looks, and releases.
var semaphoreHistorian = proctest.Register("semaphore-historian", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	who, err := strconv.Atoi(args[1])
	must(err)
	l := openUnitLog(seg)
	mine := l.ops.Slice()[who*opsEach:][:opsEach]
	proctest.Say("ready")
	proctest.Hear()
	for i := 0; i+2 < len(mine); i += 3 {
		n := 1 + rand.Int64N(2)
		if l.do(&mine[i], opAcquire, n) {
			l.do(&mine[i+1], opLook, 0)
			cpu.Pause(uint32(rand.IntN(10_000))) // so that others come to wait
			l.do(&mine[i+2], opRelease, n)
		}
	}
})

// doing is an op and its process, as porcupine is told.
type doing struct {
	op
	who int
}

// unitState is a semaphore as porcupine sees it.
type unitState struct {
	free int64
	has  [unitDoers + 1]int64
	dead [unitDoers + 1]bool
}

// unitModel is the semaphore. An operation that did not return may have happened at any time after
// its call, or not at all: then it comes last, when no other operation sees it.
var unitModel = porcupine.Model{
	Init: func() any { return unitState{free: opUnits} },
	Step: func(state, input, _ any) (bool, any) {
		s, d := state.(unitState), input.(doing)
		if d.Return == 0 && s.dead[d.who] {
			return true, s // it did not happen before the death, so it never did
		}
		switch d.Kind {
		case opAcquire:
			if s.free < d.Units {
				return d.Return == 0, s
			}
			s.free -= d.Units
			s.has[d.who] += d.Units
		case opRelease:
			s.free += d.Units
			s.has[d.who] -= d.Units
		case opLook:
			return d.Return == 0 || s.free == d.Units, s
		case opDeath:
			s.free += s.has[d.who]
			s.has[d.who] = 0
			s.dead[d.who] = true
		}
		return true, s
	},
}

// A history of processes that acquire, look and release is one of an atomic number of units, also
// when some of them are killed at any time: with undo their units come back, all at once; without
// they are lost.
func TestSemaphoreLinearizable(t *testing.T) {
	t.Parallel()
	rounds := 9
	if long {
		rounds = 200
	}
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		ended := 0
		for round := 0; round < rounds || ended == 0 && round < 10*rounds; round++ {
			ended += playUnits(t, undo, round%3) // none is killed, one, or two
		}
		t.Logf("%d operations were interrupted by a death", ended)
		if ended == 0 {
			t.Error("no operation was interrupted in any round")
		}
	})
}

func playUnits(t *testing.T, undo bool, kills int) (interrupted int) {
	seg := newSegment(t)
	s := newSemaphore(t, seg, "s", opUnits, shmsync.SemaphoreOptions{Undo: undo})
	l := openUnitLog(seg)
	var children []*proctest.Child
	for i := range unitDoers {
		c := proctest.Start(t, semaphoreHistorian, seg.Path(), fmt.Sprint(i))
		c.Expect("ready")
		children = append(children, c)
	}
	for _, c := range children {
		c.Send("go")
	}
	var all []doing
	for who := range kills {
		at := l.clock.Load() + uint64(rand.IntN(unitDoers*opsEach/4))
		for look := 0; (l.clock.Load() < at || !l.isDoing(who)) && look < historyLooks; look++ {
		}
		death := op{Call: l.clock.Add(1), Kind: opDeath}
		if state := children[who].Kill(); state.Success() {
			continue // it had come to its end
		}
		death.Return = l.clock.Add(1)
		if undo {
			all = append(all, doing{death, who})
		}
	}
	for _, c := range children[kills:] {
		c.WaitOK()
	}
	var last op
	l.do(&last, opLook, 0)
	all = append(all, doing{last, theirGuard})
	if undo {
		wantAvailable(t, s, opUnits)
	}
	for i, d := range l.ops.Slice() {
		if d.Call > 0 {
			all = append(all, doing{d, i / opsEach})
			if d.Return == 0 {
				interrupted++
			}
		}
	}
	if result := porcupine.CheckOperationsTimeout(unitModel, operationsOf(all), hangs); result != porcupine.Ok {
		t.Fatalf("the history is %v: %v", result, all)
	}
	return interrupted
}

// operationsOf is the history as porcupine wants it. What did not return ends after all else.
func operationsOf(all []doing) []porcupine.Operation {
	ops := make([]porcupine.Operation, 0, len(all))
	for _, d := range all {
		end := int64(d.Return)
		if end == 0 {
			end = math.MaxInt64
		}
		ops = append(ops, porcupine.Operation{ClientId: d.who, Input: d, Call: int64(d.Call), Return: end})
	}
	return ops
}
