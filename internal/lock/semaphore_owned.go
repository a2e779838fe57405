package lock

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// takeOwned is take with undo: the units become this process's.
//
// What a death leaves behind: a tally whose lock's owner died, which the next one who locks it counts anew.
func (s *Semaphore) takeOwned(ctx context.Context, n int64, leader bool) (ok bool, err error) {
	t := s.owned
	if free := s.r.free.Load(); (free < n || s.turn.isElsewhere(free, leader)) && !t.isStale() {
		return false, nil
	}
	if err := t.lock(ctx); err != nil {
		return false, err
	}
	defer t.unlock()
	if t.seat() == nil {
		return false, ErrDamaged
	}
	if s.r.free.Load() < n {
		t.countDead()
	}
	c := s.r.free.Load()
	if c < n || s.turn.isElsewhere(c, leader) {
		return false, nil
	}
	if err := t.add(n); err != nil {
		return false, err
	}
	s.r.free.Store(c - n)
	crashpoint.Here("semaphore.taken")
	return true, nil
}

// releaseOwned is Release with undo.
//
// What a death leaves behind: the same; and before the ring, sleepers who watch this process, see acquisition.watch.
func (s *Semaphore) releaseOwned(n int64) error {
	t := s.owned
	if err := t.lock(context.Background()); err != nil {
		return err
	}
	if n > t.mine() {
		t.unlock()
		return ErrOverRelease
	}
	s.shadow.ReleaseMerge()
	err := t.add(-n)
	if err == nil {
		s.r.free.Store(min(max(s.r.free.Load(), 0), s.limit-n) + n)
		crashpoint.Here("semaphore.released")
	}
	t.unlock()
	if s.r.event.bell.isArmed() {
		s.wake(n)
	}
	return err
}

// settle makes free what the units of the living leave of all, under the lock of the tally.
func (s *Semaphore) settle(sum uint64) {
	// SYNC: undo: what the dead held is free for whoever looks from here on.
	s.r.free.Store(s.limit - int64(min(sum, uint64(s.limit))))
	crashpoint.Here("semaphore.settled")
	s.r.event.bell.ring(everybody)
}
