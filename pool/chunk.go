package pool

import (
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/parent"
	"github.com/shmkit/shmkit/internal/task"
)

// A chunk is what goes into one slot.
type chunk struct {
	index, count int
	content      task.Content
	kills        int   // workers that died of it
	again        bool  // it was part of a chunk before
	err          error // why the argument cannot be sent
}

// chunkPatience is how long a chunk that could go waits for the rest of its arguments.
const chunkPatience = 20 * time.Millisecond

// fill puts the next arguments into the next slot. It reports false when there are none, or no room
// for them.
//
// Errors: why the pool has ended.
func (r *run[A, R]) fill() (more bool, err error) {
	n := r.take()
	if n.count == 0 {
		return false, nil
	}
	i := r.slots[len(r.slots)-1]
	if n.err == nil {
		placed, err := r.p.core.Place(r.w, i, n.content)
		if err == nil && !placed {
			r.stalled = n
			return false, nil
		}
		if err != nil {
			n.err = r.p.core.NotPlaced(r.t.core.Name, err)
		}
	}
	if n.err != nil && r.p.core.Ended() != nil {
		return false, n.err
	}
	if n.err != nil {
		for k := range n.count {
			r.refused = append(r.refused, refused{n.index + k, n.err})
		}
		return true, nil
	}
	r.p.core.Fill(i, &parent.Order{
		Task: &r.t.core, Waiter: r.w, Index: n.index, Count: n.count, Kills: n.kills, Again: n.again, Timed: r.sizing.unknown(),
		Carry: r.carry,
	})
	r.bytes += n.content.Size
	r.slots = r.slots[:len(r.slots)-1]
	r.full = append(r.full, i)
	return true, nil
}

// take is the next chunk: what found no room comes first, and then arguments that were sent before.
func (r *run[A, R]) take() (l chunk) {
	if r.stalled.count > 0 {
		l, r.stalled = r.stalled, chunk{}
		return l
	}
	if n := len(r.again); n > 0 {
		l, r.again = r.again[n-1], r.again[:n-1]
		return l
	}
	n := r.sizing.next()
	if r.part.count == 0 && n > 1 {
		if l := r.takeSome(n); l.count > 0 {
			return l
		}
	}
	if r.part.count == 0 {
		if l = r.nextArg(0); n == 1 || l.count == 0 || l.err != nil {
			return l
		}
		r.encoded, r.parts = r.encoded[:0], r.parts[:0]
		r.part = chunk{index: l.index}
		r.join(l)
	}
	// When nothing else is in flight, the iterator of the arguments may wait for a result of this
	// chunk.
	idle := r.inFlight+len(r.full) == 0
	for r.part.count < n && r.part.content.Size < chunkBytes {
		patience := time.Duration(0)
		if idle {
			patience = chunkPatience
		}
		more := r.nextArg(patience)
		if more.err != nil {
			r.refused = append(r.refused, refused{more.index, more.err})
			break
		}
		if more.count == 0 {
			if r.dry && !idle {
				return chunk{}
			}
			break
		}
		r.join(more)
	}
	l, r.part = r.part, chunk{}
	l.content = r.joined(l.count)
	return l
}

// takeSome returns up to most arguments without a copy, where the source can lend its memory; else
// an empty chunk.
func (r *run[A, R]) takeSome(most int) (l chunk) {
	l.index = r.index
	if l.content, l.count = r.source.some(most, r.parts[:0]); l.content.Parts != nil {
		r.parts = l.content.Parts
	}
	r.index += l.count
	r.sizing.left -= l.count
	return l
}

// join adds an argument to the part, the chunk that is not full.
func (r *run[A, R]) join(l chunk) {
	b := l.content.Bytes
	switch r.t.args.Way {
	case task.WayRaw:
		r.encoded = append(r.encoded, b...)
	case task.WaySlice:
		r.parts = append(r.parts, slices.Clone(b)) // parts of source.some need no copy
	default:
		r.encoded = task.AppendFrame(r.encoded, b)
	}
	r.part.count++
	r.part.content.Size += len(b)
}

// joined is what was joined, count arguments.
func (r *run[A, R]) joined(count int) task.Content {
	switch {
	case r.t.args.Way == task.WaySlice && count == 1:
		return task.ContentOf(r.parts[0])
	case r.t.args.Way == task.WaySlice:
		return task.ContentOfParts(r.parts)
	case r.t.args.Way == task.WayWire && count == 1:
		b, _, _ := task.CutFrame(r.encoded)
		return task.ContentOf(b)
	}
	return task.ContentOf(r.encoded)
}

// nextArg is the next argument, if there is one.
func (r *run[A, R]) nextArg(patience time.Duration) (l chunk) {
	if r.over {
		return l
	}
	b, there, end, err := r.source.next(patience, r.needsInput())
	switch {
	case end != nil:
		r.over, r.failed = true, end.err
		return l
	case !there:
		r.dry = true
		return l
	}
	l.index, l.count, l.content = r.index, 1, task.ContentOf(b)
	r.index++
	r.sizing.left--
	if err != nil {
		l.err = parent.Unsent(r.t.core.Name, err)
	}
	return l
}
