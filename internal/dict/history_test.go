package dict

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// Processes work on a few keys and note what they do and see, one of them is killed. For each key
// there must be an order of the operations in which each sees what the ones before it have left.

const (
	historyProcesses = 4
	historyEach      = 80 // operations of each process
	historyKeys      = 3
	historyWords     = 5 // call, return, what, argument, result
)

// Operations of a history. The result is the value that was seen, and 0 for none.
const (
	opGet = iota
	opSet
	opDelete
	opAdd
	opSwap
	opKinds
)

type step struct{ what, key, arg, result uint64 }

// pending is the result of an operation that has not returned.
const pending = math.MaxUint64

var register = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byKey := make([][]porcupine.Operation, historyKeys)
		for _, o := range all {
			k := o.Input.(step).key
			byKey[k] = append(byKey[k], o)
		}
		return byKey
	},
	Init: func() any { return uint64(0) },
	Step: func(state, input, _ any) (bool, any) {
		v, s := state.(uint64), input.(step)
		switch s.what {
		case opGet:
			return s.result == v, v
		case opSet:
			return true, s.arg
		case opDelete:
			return s.result == pending || (s.result != 0) == (v != 0), uint64(0)
		case opAdd:
			return s.result == pending || s.result == v+s.arg, v + s.arg
		default:
			return s.result == pending || s.result == v, s.arg
		}
	},
}

// actor: PATH LAYOUT NUMBER.
var roleActor = proctest.Register("actor", func(args []string) {
	s, err := segment.Open(args[0])
	must(err)
	m, err := openMap(s, killOptions[args[1]])
	must(err)
	log := ledgerIn(s, 1+historyProcesses*historyEach*historyWords)
	n, _ := strconv.Atoi(args[2])
	proctest.Say("ready")
	proctest.Hear()
	act(m, log, n)
	proctest.Say("done")
	proctest.Forever()
})

func act(m *Map, log []atomic.Uint64, n int) {
	clock, mine := &log[0], log[1+n*historyEach*historyWords:]
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(n)))
	for i := range historyEach {
		e := mine[i*historyWords:]
		what, key := uint64(r.IntN(opKinds)), uint64(r.IntN(historyKeys))
		arg := uint64(n+1)<<32 | uint64(i+1)<<8 // no two are the same, and sums are none of them
		e[2].Store(what<<8 | key)
		e[3].Store(arg)
		e[4].Store(pending)
		e[0].Store(clock.Add(1))
		e[4].Store(operate(m, what, key, arg))
		e[1].Store(clock.Add(1))
	}
}

func operate(m *Map, what, key, arg uint64) (result uint64) {
	k, v := killKey(true, int(key)), binary.LittleEndian.AppendUint64(nil, arg)
	var err error
	switch what {
	case opGet:
		b, _, e := m.Get(nil, k)
		result, err = wordOf(b), e
	case opSet:
		err = m.Set(background, k, v, DefaultLife)
	case opDelete:
		was, e := m.Delete(background, k)
		if err = e; was {
			result = 1
		}
	case opAdd:
		result, err = m.Add(background, k, arg, 8)
	case opSwap:
		err = m.Change(background, k, DefaultLife, func(old []byte, _ bool) ([]byte, Verdict) {
			result = wordOf(old)
			return v, Put
		})
	}
	must(err)
	return result
}

func TestHistoriesUnderKill(t *testing.T) {
	for layout, o := range killOptions {
		t.Run(layout, func(t *testing.T) {
			for range 8 {
				playHistory(t, layout, o)
			}
		})
	}
}

func playHistory(t *testing.T, layout string, o Options) {
	s := newSegment(t, 16<<20)
	defer s.Close()
	m, err := openMap(s, o)
	must(err)
	log := ledgerIn(s, 1+historyProcesses*historyEach*historyWords)
	var actors []*proctest.Child
	for n := range historyProcesses - 1 {
		actors = append(actors, proctest.Start(t, roleActor, s.Path(), layout, strconv.Itoa(n)))
	}
	for _, a := range actors {
		a.Expect("ready")
	}
	for _, a := range actors {
		a.Send("go")
	}
	proctest.Stagger(300 * time.Microsecond)
	actors[0].Signal(syscall.SIGKILL)
	actors[0].Wait()
	act(m, log, historyProcesses-1)
	for _, a := range actors[1:] {
		a.Expect("done")
		a.Kill()
	}
	wantIntact(t, m)
	var all []porcupine.Operation
	for i := range historyProcesses * historyEach {
		e := log[1+i*historyWords:]
		call, ret, what, arg, result := e[0].Load(), e[1].Load(), e[2].Load(), e[3].Load(), e[4].Load()
		in := step{what >> 8, what & 255, arg, result}
		switch {
		case call == 0 || result == pending && in.what == opGet:
			continue
		case ret == 0:
			ret = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: i / historyEach, Input: in, Call: int64(call), Return: int64(ret)})
	}
	if res := porcupine.CheckOperationsTimeout(register, all, proctest.Hang); res != porcupine.Ok {
		t.Fatalf("no order explains the history of %d operations: %v", len(all), res)
	}
}
