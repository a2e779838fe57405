package queue

import (
	"math"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// Rules say what a history of these processes must be like.
type rules struct {
	capacity             int
	producers, consumers int
	kill                 bool
	bytes                bool // a Bytes, not a Queue
}

// mayRefuse reports whether a put, or a get, may find the queue full, or empty, that is not. With
// several others of the kind that it waits for, one may be complete behind one that is not; and the
// lock of a Bytes may not be free.
func (r rules) mayRefuse(e event, others int) bool {
	if r.bytes {
		return e.Crowded
	}
	return others > 1 || r.kill
}

// fifo is the queue as porcupine sees it. The state is a slice of values.
func (r rules) fifo() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return []uint64(nil) },
		Step: func(state, input, _ any) (bool, any) {
			s, e := state.([]uint64), input.(event)
			switch {
			case e.Put && e.Done:
				return len(s) < r.capacity, append(slices.Clone(s), e.Value)
			case e.Put:
				return len(s) == r.capacity || r.mayRefuse(e, r.consumers), s
			case e.Done:
				if len(s) == 0 || s[0] != e.Value {
					return false, s
				}
				return true, slices.Clone(s[1:])
			default:
				return len(s) == 0 || r.mayRefuse(e, r.producers), s
			}
		},
		Equal: func(a, b any) bool { return slices.Equal(a.([]uint64), b.([]uint64)) },
	}
}

// operations are the events as porcupine wants them; of a process each, unfinished ones without
// return.
func (r rules) operations(events []event) (ops []porcupine.Operation) {
	for i, e := range events {
		if e.Call > 0 {
			e.Crowded = crowded(events, i)
			ops = append(ops, porcupine.Operation{ClientId: i / eventsEach, Input: e, Call: int64(e.Call), Return: int64(e.Return)})
		}
	}
	return ops
}

// crowded reports whether another process was at work at the time of event i.
func crowded(events []event, i int) bool {
	e := events[i]
	for j, o := range events {
		if j/eventsEach != i/eventsEach && o.Call > 0 && (e.Return == 0 || o.Call < e.Return) && (o.Return == 0 || e.Call < o.Return) {
			return true
		}
	}
	return false
}

// settle decides what the unfinished operations of the killed have done: a put, if its message came
// out, and a get, if a message is missing. What has done nothing keeps no return.
func settle(t *testing.T, ops []porcupine.Operation, abandoned uint64) {
	t.Helper()
	put, got := map[uint64]bool{}, map[uint64]bool{}
	for _, o := range ops {
		if e := o.Input.(event); o.Return > 0 && e.Done {
			if e.Put {
				put[e.Value] = true
			} else {
				got[e.Value] = true
			}
		}
	}
	var lost []uint64
	for v := range put {
		if !got[v] {
			lost = append(lost, v)
		}
	}
	for i := range ops {
		o := &ops[i]
		e := o.Input.(event)
		switch {
		case o.Return > 0:
			continue
		case e.Put && got[e.Value]:
		case !e.Put && len(lost) > 0:
			e.Value, lost = lost[0], lost[1:]
		default:
			continue
		}
		e.Done = true
		o.Input, o.Return = e, math.MaxInt64
	}
	if len(lost) > 0 || abandoned > 2 {
		t.Fatalf("messages %v are lost, %d abandoned", lost, abandoned)
	}
}
