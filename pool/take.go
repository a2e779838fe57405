package pool

import (
	"fmt"

	wire "github.com/shmkit/shmkit/internal/codec"
)

// take reads the result in slot i, which the caller was given, and frees the slot.
func take[A, R any](p *Pool, t *Task[A, R], i uint32) (r result[R]) {
	defer p.release(i)
	p.mu.Lock()
	c := p.calls[i]
	p.mu.Unlock()
	r.index = c.index
	if r.err = c.err; r.err == nil {
		r.value, r.err = open(p, t, i)
	}
	return r
}

// open decodes the result in slot i: a value, or why there is none.
func open[A, R any](p *Pool, t *Task[A, R], i uint32) (v R, err error) {
	b, err := p.output(i)
	if err != nil {
		return v, err
	}
	if kind := p.slots[i].kind; kind != kindValue {
		var f failure
		if err := wire.Decode(b, &f); err != nil {
			return v, fmt.Errorf("pool: task %q: decode its failure: %w", t.name, err)
		}
		return v, errorFrom(t.name, kind, f)
	}
	if v, err = t.rets.decode(b); err != nil {
		return v, fmt.Errorf("pool: task %q: decode the result: %w", t.name, err)
	}
	return v, nil
}
