package pool

// A load is what goes into one slot.
type load struct {
	index, count int
	bytes        []byte
	kills        int   // workers that died of it
	err          error // it cannot travel
}

// fill puts the next arguments into the next slot. It reports false when there are none.
func (r *run[A, R]) fill() bool {
	n := r.take()
	if n.count == 0 {
		return false
	}
	i := r.slots[len(r.slots)-1]
	if n.err == nil {
		n.err = fill(r.p, r.t, r.w, i, n.index, n.count, n.bytes)
	}
	if n.err != nil && r.p.alive.Err() != nil {
		return false // the pool has ended, which is the error of all, once
	}
	if n.err != nil {
		for k := range n.count {
			r.refused = append(r.refused, refused{n.index + k, n.err})
		}
		return true
	}
	r.bytes += len(n.bytes)
	r.p.calls[i].kills = n.kills
	r.p.calls[i].timed = r.sizing.unknown()
	r.slots = r.slots[:len(r.slots)-1]
	r.full = append(r.full, i)
	return true
}

// take is the next load: arguments that were sent before come first.
func (r *run[A, R]) take() (l load) {
	if n := len(r.again); n > 0 {
		l, r.again = r.again[n-1], r.again[:n-1]
		return l
	}
	n := r.sizing.next()
	if l = r.one(); n == 1 || l.count == 0 || l.err != nil {
		return l
	}
	r.chunk = appendFrame(r.chunk[:0], l.bytes)
	for l.count < n && len(r.chunk) < chunkBytes {
		more := r.one()
		if more.err != nil {
			r.refused = append(r.refused, refused{more.index, more.err})
			break
		}
		if more.count == 0 {
			break
		}
		r.chunk = appendFrame(r.chunk, more.bytes)
		l.count++
	}
	if l.bytes = r.chunk; l.count == 1 {
		l.bytes, _, _ = cutFrame(r.chunk)
	}
	return l
}

// one is the next argument, if there is one.
func (r *run[A, R]) one() (l load) {
	if r.over {
		return l
	}
	a, ok, err := r.next()
	if !ok {
		r.over, r.failed = true, err
		return l
	}
	l.index, l.count = r.index, 1
	r.index++
	r.sizing.left--
	if l.bytes, err = r.t.args.encode(a); err != nil {
		l.err = r.t.unsent(err)
	}
	return l
}
