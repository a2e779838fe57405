package cast

import (
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/ring"
)

// A writer is what this process knows while it is the writer, or has the writers' lock. One
// goroutine at a time uses it.
type writer struct {
	next   uint64 // position of the next message
	limit  uint64 // no live reader needs what lies before limit-capacity; next: it is not known
	public uint64 // the limit that late readers may go by; above limit after a death

	owned  bool   // this process has the role
	open   bool   // a place is reserved
	end    uint64 // of the message that is begun
	room   uint64 // the limit, while a place is reserved
	lags   bool   // a reader was behind at the last look
	kept   uint64 // where the oldest message begins that is kept for late readers
	err    error  // what the last look for room has found
	need   uint64 // how much room it was for
	ready  func() bool
	number uint64 // of the message of any length that is begun
	bytes  uint64 // of all messages of any length before it

	// What the last look at all readers has found.
	slow    int    // cell of the slowest reader that was behind; below 0: none
	state   uint64 // its state
	floor   uint64 // no other reader's cursor lies before this
	changes uint64 // for which that holds

	patience overdue
}

// An overdue counts how long a put has waited for the slowest reader.
type overdue struct {
	state, cursor uint64        // of the reader, which have not changed
	waited        time.Duration // what is counted
	until         time.Time     // when that was
}

// mostLooks bounds how often a look begins anew because readers subscribe meanwhile.
const mostLooks = 64

// look finds out up to which position there is room, for a put that needs so much.
//
// A reader that subscribes meanwhile either has changed the count of changes before the second look
// at it, or sees this limit, and this tail.
//
// What a death leaves behind: a limit that is too high. Late readers see fewer messages then, and
// the next writer does not go by it.
func (r *Ring) look(need uint64) {
	p := &r.put
	for range mostLooks {
		changes := r.head.changes.Load()
		least := r.least(changes)
		p.lags = least != p.next
		if p.next-least > r.Capacity() {
			break // of a subscriber that is not through yet
		}
		if kept := r.keepFrom(need); p.next-kept > p.next-least {
			least = kept
		}
		limit := least + r.Capacity()
		if int64(limit-p.limit) <= 0 {
			break
		}
		ring.StoreRelease(&r.head.limit, limit)
		crashpoint.Here("cast.raised")
		// SYNC: subscribe: a full fence. See above.
		r.head.scans.Add(1)
		if r.head.changes.Load() == changes {
			p.limit, p.public = limit, limit
			cpu.StoreFence() // SYNC: limit: it is visible before what is written up to it
			return
		}
	}
	if r.head.limit.Load() != p.public { // raised in vain
		ring.StoreRelease(&r.head.limit, p.public)
	}
}

// least is the least cursor of all live readers, or the position of the next message. Cursors only
// grow: where nothing has changed since all were looked at, only the slowest can have made room, up
// to where the second slowest was.
func (r *Ring) least(changes uint64) uint64 {
	p := &r.put
	if p.slow >= 0 && p.changes == changes && r.states[p.slow].Load() == p.state {
		if c := r.cells[p.slow].cursor.Load(); p.next-c > p.next-p.floor {
			return c
		}
	}
	p.changes = changes
	return r.scan()
}

// scan is least by a look at all readers. Of several that are equally slow the one that was waited
// for before stays the slowest.
func (r *Ring) scan() (least uint64) {
	p := &r.put
	before := p.slow
	least, p.floor, p.slow = p.next, p.next, -1
	for i := range r.used() {
		state := r.states[i].Load()
		if state&phaseMask != live {
			continue
		}
		c := r.cells[i].cursor.Load()
		switch behind := p.next - c; {
		case int64(behind) < 0: // garbage: it has read what was never written
			r.expel(i, state)
		case behind > p.next-least, behind == p.next-least && behind > 0 && i == before:
			p.floor, least, p.slow, p.state = least, c, i, state
		case behind > p.next-p.floor:
			p.floor = c
		}
	}
	return least
}

// keepFrom is where the oldest message begins that is kept for late readers, whichever readers have
// read it. What is kept gives way to a message that needs its room.
func (r *Ring) keepFrom(need uint64) uint64 {
	p := &r.put
	most := r.Capacity() - min(need, r.Capacity())
	keep := min(r.traits.Keep, most)
	if keep == 0 {
		return p.next
	}
	if oldest := p.public - r.Capacity(); p.next-p.kept > r.Capacity() || int64(oldest-p.kept) > 0 {
		p.kept = oldest
	}
	if int64(p.next-p.kept) < 0 {
		p.kept = p.next
	}
	if r.longest == 0 {
		p.kept = p.next - min(keep, p.next-p.kept)
	}
	for p.next-p.kept > keep {
		n, ok := r.sizeAt(p.kept, p.next-p.kept)
		switch left := p.next - p.kept - n; {
		case !ok: // garbage: nothing is kept
			p.kept = p.next
		case left < keep && p.next-p.kept <= most:
			return p.kept // behind the next boundary there would be too little
		default:
			p.kept += n
		}
	}
	return p.kept
}

// room finds out whether there is room for need positions. Where it reports [ring.ErrFull], the
// slowest reader is going to wake a writer that sleeps. A put that waits expels a reader that is
// overdue.
//
// Errors: [ring.ErrFull], [ring.ErrClosed], [lock.ErrClosed], [segment.ErrCorrupt].
func (r *Ring) room(need uint64, waits bool) error {
	p := &r.put
	for range ring.Retries {
		if r.Closer.Closed() {
			return r.Closer.Err()
		}
		if r.hasRoom(need) {
			return nil
		}
		r.look(need)
		switch {
		case r.hasRoom(need):
			return nil
		case r.Closed():
			return r.Concluded(r.ErrClosed())
		case p.slow < 0: // of a subscriber that is not through yet
			return r.Concluded(ring.ErrFull)
		}
		state := p.state
		if r.states[p.slow].Load() != state {
			continue // it has left, or was replaced
		}
		if r.OwnerDead(ownerOf(state)) {
			r.bury(p.slow, state)
			continue
		}
		if waits && r.isOverdue() {
			r.expel(p.slow, state)
			continue
		}
		word := awaitedWord(p.slow, p.next+need-r.Capacity())
		if r.head.awaited.Load() == word {
			return r.Concluded(ring.ErrFull) // the look above began after the word was there
		}
		// SYNC: awaited: an exchange. The reader that moves sees this word, or the next look sees
		// its move.
		r.head.awaited.Swap(word)
		crashpoint.Here("cast.awaits")
	}
	return r.Corrupt()
}

// hasRoom reports whether there is known to be room, and ends the wait for it.
func (r *Ring) hasRoom(need uint64) bool {
	p := &r.put
	if p.limit-p.next < need {
		return false
	}
	if r.head.awaited.Load() != 0 {
		r.head.awaited.Store(0)
	}
	r.freed.Acquire()
	return true
}

// Slowest is the process of the reader that is in the way of this process's puts, and how many
// messages that reader has not read; 0 when none is in the way.
func (r *Ring) Slowest() (o proctab.Owner, lag uint64) {
	p := &r.put
	if p.slow < 0 {
		return ring.Nobody, 0
	}
	return ownerOf(p.state), r.lag(r.cells[p.slow].cursor.Load())
}

// isOverdue counts how long the slowest reader has stood while a put waited, and reports whether
// that is longer than the patience of the broadcast. What one sleep counts is bounded: while this
// process is stopped itself, no reader's time runs.
func (r *Ring) isOverdue() bool {
	p, d := &r.put, &r.put.patience
	if r.traits.Patience == 0 {
		return false
	}
	now, cursor := time.Now(), r.cells[p.slow].cursor.Load()
	if d.state != p.state || d.cursor != cursor {
		*d = overdue{state: p.state, cursor: cursor, until: now}
		return false
	}
	d.waited += min(now.Sub(d.until), r.sleep())
	d.until = now
	return d.waited >= r.traits.Patience
}

// sleep is how long a put sleeps that has patience.
func (r *Ring) sleep() time.Duration { return max(r.traits.Patience/8, time.Millisecond) }

// watch has the death of the slowest reader end the sleep of a put.
func (r *Ring) watch(w *lock.Watch) {
	p := &r.put
	switch {
	case p.slow >= 0:
		w.Process(ownerOf(p.state))
	default: // what it waits for may tell nothing
		w.Look(unknownLook)
	}
	if r.traits.Patience != 0 {
		w.Look(r.sleep())
	}
}

// unknownLook is how often a put looks that waits for a subscriber which is not through.
const unknownLook = 2 * time.Millisecond
