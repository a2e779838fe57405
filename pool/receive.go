package pool

import (
	"slices"

	"github.com/shmkit/shmkit/internal/task"
)

// receive hands over what has come, and gives the slots back.
func (r *run[A, R]) receive(emit func(int, *R, error) (bool, error)) (more bool, err error) {
	more = true
	for again := true; again; {
		var ready []uint32
		if r.lazy {
			ready, again = r.p.core.CollectedByTurns(r.w)
		} else {
			ready, again = r.p.core.Collected(r.w), false
		}
		for _, i := range ready {
			if r.p.core.Call(i).Split {
				err = r.split(i)
			} else {
				more, err = r.open(i, emit)
			}
			if err != nil || !more {
				return more, err // close looks after the rest
			}
		}
		r.p.core.Release(r.done...)
		r.done = r.done[:0]
	}
	return true, nil
}

// open hands over the results in slot i.
func (r *run[A, R]) open(i uint32, emit func(int, *R, error) (bool, error)) (more bool, err error) {
	c := r.p.core.Call(i)
	index, count, large := c.Index, c.Count, c.Got.IsLarge()
	r.size = c.Got.Block.Size / count
	if count == 1 {
		value, again, err := settle(r.p, r.t, i, &r.w.Scratch)
		if again {
			return true, nil
		}
		r.completed(i)
		if large && r.lazy {
			r.releaseDone()
		}
		r.value = value
		return emit(index, &r.value, err)
	}
	r.completed(i)
	isVector := c.Got.Kind == task.KindVector && r.t.rets.Way == task.WayRaw
	b, failed := r.p.core.Result(i, &r.w.Scratch, isVector)
	if late := r.p.core.TooLate(); late != nil {
		return false, late
	}
	if c.Err != nil {
		failed = c.Err
	}
	if failed == nil && isVector {
		return r.openVector(index, count, b, large, emit)
	}
	if kind := c.Got.Kind; failed == nil && kind != task.KindChunk {
		_, failed = r.t.open(kind, b)
	}
	if large && r.lazy {
		r.releaseDone()
	}
	for k := range count {
		var kind uint32
		var item []byte
		var none R
		r.value = none
		err := failed
		if err == nil {
			kind, item, b, err = task.CutResult(b)
		}
		if err == nil {
			r.value, err = r.t.open(kind, item)
		}
		if more, err := emit(index+k, &r.value, err); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// openVector hands over count results that lie one after the other in memory that may change. A
// call that only keeps them gets a copy at once.
func (r *run[A, R]) openVector(index, count int, b []byte, large bool, emit func(int, *R, error) (bool, error)) (more bool, err error) {
	if len(b) != count*r.t.rets.Size {
		return false, task.ErrChunk
	}
	if r.into != nil {
		into := r.into[index : index+count]
		kept := task.BytesOfSlice(&into, r.t.rets.Size)
		copy(kept, b)
		r.t.rets.Bools.Mend(kept)
		return true, r.p.core.TooLate()
	}
	r.vector = append(r.vector[:0], b...)
	if late := r.p.core.TooLate(); late != nil {
		return false, late
	}
	if large && r.lazy {
		r.releaseDone()
	}
	for k := range count {
		r.value, err = r.t.rets.Decode(r.vector[k*r.t.rets.Size : (k+1)*r.t.rets.Size])
		if more, err := emit(index+k, &r.value, err); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// completed notes that slot i has been on its way.
func (r *run[A, R]) completed(i uint32) {
	c := r.p.core.Call(i)
	r.inFlight--
	r.bytes -= c.Arg.Size
	r.done = append(r.done, i)
	r.saw(c.Got.Block.Size)
	if c.Got.Ran > 0 && c.Err == nil {
		r.sizing.saw(c.Count, c.Got.Ran)
	}
}

// releaseDone gives slots back before code of the user's runs.
func (r *run[A, R]) releaseDone() {
	done := r.done
	r.done = r.done[:0]
	r.p.core.Release(done...)
}

// split has the arguments in slot i run one by one, since the worker died of one of them.
func (r *run[A, R]) split(i uint32) error {
	c := r.p.core.Call(i)
	r.inFlight--
	r.bytes -= c.Arg.Size
	r.done = append(r.done, i)
	b, err := r.p.core.Argument(i)
	if err != nil {
		return err
	}
	b = slices.Clone(b) // the block goes with the slot
	if late := r.p.core.TooLate(); late != nil {
		return late
	}
	args, err := r.t.args.Form().ArgumentsIn(b, c.Count)
	if err != nil {
		return err
	}
	for k := range c.Count {
		l := chunk{index: c.Index + k, count: 1, again: true}
		item, err := args.Next()
		if err != nil {
			return err
		}
		l.content = task.ContentOf(item)
		if k == c.Got.At {
			if l.kills = c.Kills; c.Err != nil { // the task has no other attempt
				r.refused = append(r.refused, refused{l.index, c.Err})
				continue
			}
		}
		r.again = append(r.again, l)
	}
	return nil
}
