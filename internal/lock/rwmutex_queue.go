package lock

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// await waits until the caller is let in, or has to look itself.
//
// Errors: errForsaken; [ErrClosed], the context's error.
func (l *RWMutex) await(ctx context.Context) error {
	g := l.crowd.join()
	err := l.queue(ctx, g)
	if l.crowd.leave(g) {
		return nil
	}
	return err
}

// queue waits until g is let in, or leads all who wait in this process.
func (l *RWMutex) queue(ctx context.Context, g *guest) error {
	leads, err := l.leading.Lead(ctx, l.party.Closer, g.in)
	if !leads {
		return err
	}
	l.leader, l.suspects, l.forsaken = g, false, false
	err = l.opened.Await(ctx, l.policy, l.look, l.watchWriter)
	if err == nil && l.forsaken {
		err = errForsaken
	} else if err != nil {
		l.forgo()
	}
	l.leading.Leave()
	return err
}

// look lets in all who wait, or reports true when they have to look themselves.
func (l *RWMutex) look() bool {
	// A reader that came later and found the seat open for a moment has let the leader in, too.
	if l.crowd.has(l.leader) || l.enter(0) {
		return true
	}
	l.ask()
	l.forsaken = l.suspects && l.isForsaken()
	l.suspects = false
	return l.forsaken
}

// ask asks for a turn.
func (l *RWMutex) ask() {
	w := l.seat.Load()
	if w&(seatBarred|seatWaits) == seatBarred && l.seat.CompareAndSwap(w, w|seatWaits) {
		crashpoint.Here("rwmutex.waits")
	}
}

// forgo takes back what ask has asked, when only the caller waits.
func (l *RWMutex) forgo() {
	l.crowd.mu.Lock()
	defer l.crowd.mu.Unlock()
	if len(l.crowd.guests) > 1 {
		return
	}
	if l.seat.Load()&seatWaits != 0 {
		l.seat.And(^uint64(seatWaits))
		crashpoint.Here("rwmutex.forgone")
		l.drained.Notify() // a writer may let it pass just now
	}
}

// watchWriter has readers sleep on the life of whoever has writers.
func (l *RWMutex) watchWriter(w *Watch) {
	word := l.writers.r.word.Load()
	l.writers.observe(word)
	switch {
	case word&handed != 0:
		l.suspects = true
		w.Look(dawdling)
	case l.isForsaken():
		l.suspects = true
		w.Look(0)
		return
	}
	w.Process(proctab.Owner(ownerOf(word)))
}
