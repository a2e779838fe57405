package lock

import (
	"context"
	"errors"
	"time"
)

// joinPatience is how long Join waits for others that join. It takes them microseconds, unless they are stopped.
const joinPatience = 5 * time.Second

// Join makes this process a party, if it is none. When no other party lives, what dead
// ones have left concerns nobody, and the barrier is made whole.
//
// Errors: [ErrLocked] when another process, which lives, is stopped while it joins; [ErrNoSeat]
// when the bytes of the barrier are damaged, [ErrClosed]. This process is no party then.
func (b *Barrier) Join() error {
	if b.Joined() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinPatience)
	defer cancel()
	switch err := b.m.Lock(ctx); {
	case errors.Is(err, ErrOwnerDied): // a claim is whole at every step
		b.m.TryMarkConsistent()
	case errors.Is(err, context.DeadlineExceeded):
		return ErrLocked
	case err != nil:
		return err
	}
	defer b.m.TryUnlock() // false when damaged bytes say that somebody else has the lock
	if b.Joined() {       // by another goroutine meanwhile, which may be waiting already
		return nil
	}
	if !b.seats.anybody() {
		b.reset()
	}
	lost := func(uint64) { b.mourn(b.load().generation()) } // before the dead one is forgotten
	if b.seats.claim(1, lost) == nil {
		return ErrNoSeat
	}
	b.event.NotifyAll() // who sleeps shall watch this process, too
	return nil
}

// anybody reports whether another process that has a seat lives.
func (r *roster) anybody() bool {
	table, me := r.party.Member.Table(), r.party.Member.ID()
	for _, w := range r.all {
		if owner := ownerOfSeat(w); owner != me && !table.Dead(owner) {
			return true
		}
	}
	return false
}

// Joined reports whether this process is a party.
func (b *Barrier) Joined() bool { return b.seats.mine.Load() != nil }

// Busy reports whether a goroutine of this process joins or resets just now.
func (b *Barrier) Busy() bool { return b.m.Held() }
