package pool

import "time"

// receive hands over what has come, and gives the slots back.
func (r *run[A, R]) receive(hand func(int, *R, error) (bool, error)) (more bool, err error) {
	more = true
	for _, i := range r.p.collected(r.w) {
		if r.p.calls[i].split {
			err = r.split(i)
		} else {
			more, err = r.open(i, hand)
		}
		if err != nil || !more {
			return more, err // close looks after the rest
		}
	}
	r.p.release(r.done...)
	r.done = r.done[:0]
	return true, nil
}

// open hands over the results in slot i.
func (r *run[A, R]) open(i uint32, hand func(int, *R, error) (bool, error)) (more bool, err error) {
	c, sl := &r.p.calls[i], &r.p.slots[i]
	if sl.count == 1 {
		value, again, err := settle(r.p, r.t, i)
		if again {
			return true, nil
		}
		r.landed(i)
		r.value = value
		return hand(c.index, &r.value, err)
	}
	r.landed(i)
	b, failed := r.p.output(i)
	if c.err != nil {
		failed = c.err
	}
	if failed == nil && sl.kind != kindChunk {
		_, failed = r.t.open(sl.kind, b)
	}
	for k := range int(sl.count) {
		var kind uint32
		var item []byte
		var none R
		r.value = none
		err := failed
		if err == nil {
			kind, item, b, err = cutResult(b)
		}
		if err == nil {
			r.value, err = r.t.open(kind, item)
		}
		if more, err := hand(c.index+k, &r.value, err); err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// landed notes that slot i has been on its way.
func (r *run[A, R]) landed(i uint32) {
	r.flying--
	r.bytes -= int(r.p.slots[i].argLen)
	r.done = append(r.done, i)
	if sl := &r.p.slots[i]; sl.timed != 0 && r.p.calls[i].err == nil {
		r.sizing.saw(int(sl.count), time.Duration(sl.ran))
	}
}

// split has the arguments in slot i run one by one, since the worker died of one of them.
func (r *run[A, R]) split(i uint32) error {
	c, sl := &r.p.calls[i], &r.p.slots[i]
	r.flying--
	r.bytes -= int(sl.argLen)
	r.done = append(r.done, i)
	b, err := r.p.input(i)
	if err != nil {
		return err
	}
	b = append([]byte(nil), b...) // the block goes with the slot
	for k := range int(sl.count) {
		l := load{index: c.index + k, count: 1}
		if l.bytes, b, err = cutFrame(b); err != nil {
			return err
		}
		if k == int(sl.at.Load()) {
			if l.kills = c.kills; c.err != nil { // it has no other attempt
				r.refused = append(r.refused, refused{l.index, c.err})
				continue
			}
		}
		r.again = append(r.again, l)
	}
	return nil
}
