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
		ready, again = r.collected()
		for _, i := range ready {
			if r.p.calls[i].split {
				err = r.split(i)
			} else {
				more, err = r.open(i, emit)
			}
			if err != nil || !more {
				return more, err // close looks after the rest
			}
		}
		r.p.release(r.done...)
		r.done = r.done[:0]
	}
	return true, nil
}

// collected takes slots with results, as [Pool.collected] does. A call that passes its results to
// the user's code takes large ones one by one, so that those it has not taken can make room for
// others. more says that some are left.
func (r *run[A, R]) collected() (ready []uint32, more bool) {
	if !r.lazy {
		return r.p.collected(r.w), false
	}
	p, w := r.p, r.w
	p.mu.Lock()
	defer p.mu.Unlock()
	n := max(slices.IndexFunc(w.ready, func(i uint32) bool { return p.calls[i].got.isLarge() }), 1)
	if !slices.ContainsFunc(w.ready, func(i uint32) bool { return p.calls[i].got.isLarge() }) {
		n = len(w.ready)
	}
	w.spare = append(w.spare[:0], w.ready[:n]...)
	w.ready = w.ready[:copy(w.ready, w.ready[n:])]
	for _, i := range w.spare {
		p.calls[i].listed = false
	}
	return w.spare, len(w.ready) > 0
}

// open hands over the results in slot i.
func (r *run[A, R]) open(i uint32, emit func(int, *R, error) (bool, error)) (more bool, err error) {
	c := &r.p.calls[i]
	index, count, large := c.index, c.count, c.got.isLarge()
	r.size = c.got.block.size / count
	if count == 1 {
		value, again, err := settle(r.p, r.t, i, &r.w.scratch)
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
	isVector := c.got.kind == task.KindVector && r.t.rets.Way == task.WayRaw
	b, failed := r.p.result(i, &r.w.scratch, isVector)
	if late := r.p.tooLate(); late != nil {
		return false, late
	}
	if c.err != nil {
		failed = c.err
	}
	if failed == nil && isVector {
		return r.openVector(index, count, b, large, emit)
	}
	if kind := c.got.kind; failed == nil && kind != task.KindChunk {
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
		return true, r.p.tooLate()
	}
	r.vector = append(r.vector[:0], b...)
	if late := r.p.tooLate(); late != nil {
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
	c := &r.p.calls[i]
	r.inFlight--
	r.bytes -= c.arg.size
	r.done = append(r.done, i)
	r.saw(c.got.block.size)
	if c.got.ran > 0 && c.err == nil {
		r.sizing.saw(c.count, c.got.ran)
	}
}

// releaseDone gives slots back before code of the user's runs.
func (r *run[A, R]) releaseDone() {
	done := r.done
	r.done = r.done[:0]
	r.p.release(done...)
}

// split has the arguments in slot i run one by one, since the worker died of one of them.
func (r *run[A, R]) split(i uint32) error {
	c := &r.p.calls[i]
	r.inFlight--
	r.bytes -= c.arg.size
	r.done = append(r.done, i)
	b, err := r.p.argument(i)
	if err != nil {
		return err
	}
	b = slices.Clone(b) // the block goes with the slot
	if late := r.p.tooLate(); late != nil {
		return late
	}
	args, err := r.t.args.Form().ArgumentsIn(b, c.count)
	if err != nil {
		return err
	}
	for k := range c.count {
		l := chunk{index: c.index + k, count: 1}
		item, err := args.Next()
		if err != nil {
			return err
		}
		l.content = task.ContentOf(item)
		if k == c.got.at {
			if l.kills = c.kills; c.err != nil { // the task has no other attempt
				r.refused = append(r.refused, refused{l.index, c.err})
				continue
			}
		}
		r.again = append(r.again, l)
	}
	return nil
}
