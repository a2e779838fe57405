package semaphore

import (
	"context"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
)

// possible says why n units can never be acquired.
func (s *Weighted) possible(n int64) error {
	switch {
	case s.closer.Closed():
		return lock.ErrClosed
	case n <= 0 || n > s.most:
		return lock.ErrImpossible
	}
	return nil
}

// TryAcquire is Acquire without waiting. Further errors: [lock.ErrLocked], and nothing was taken.
func (s *Weighted) TryAcquire(n int64) error {
	defer runtime.KeepAlive(s)
	if err := s.possible(n); err != nil {
		return err
	}
	ok, err := s.tryAcquire(lock.NoWait, n, false)
	if err == nil && !ok {
		return lock.ErrLocked
	}
	return err
}

// Acquire takes n units. It waits until they are free, or ctx ends. Units that are free at once are
// taken even when ctx has ended.
//
// Errors: [lock.ErrImpossible], [lock.ErrClosed], the context's error, [lock.ErrDamaged]; nothing
// was taken.
func (s *Weighted) Acquire(ctx context.Context, n int64) error {
	defer runtime.KeepAlive(s)
	if err := s.possible(n); err != nil {
		return err
	}
	if ok, err := s.tryAcquire(ctx, n, false); ok || err != nil {
		return err
	}
	if n > 1 && s.r.weightedWaiters.Load() == 0 {
		s.r.weightedWaiters.Store(1)
		crashpoint.Here("semaphore.heavy")
	}
	a := acquisition{s: s, ctx: ctx, n: n, began: time.Now()}
	err := s.event.Await(ctx, s.policy, func() bool { return a.look() }, func(w *lock.Watch) { a.watchUnits(w) })
	if err == nil {
		return a.err
	}
	a.endTurn()
	return err
}

// An acquisition is the wait of one goroutine for n units, which becomes the leader.
type acquisition struct {
	s     *Weighted
	ctx   context.Context
	n     int64
	began time.Time
	free  int64 // what the last look saw
	err   error // why the wait is over without units
}

// look takes the units if it can. It reports true when the wait is over. After a while it takes the
// turn.
func (a *acquisition) look() bool {
	ok, err := a.tryTake()
	if !ok && err == nil && time.Since(a.began) >= lock.StarvationTime {
		// SYNC: turn: a release from here on wakes this process, whatever else. So look once more.
		a.s.turn.begin(a.n)
		ok, err = a.tryTake()
	}
	a.err = err
	if !ok && err == nil {
		return false
	}
	a.endTurn()
	return true
}

func (a *acquisition) tryTake() (ok bool, err error) {
	a.free = a.s.r.free.Load()
	return a.s.tryAcquire(a.ctx, a.n, true)
}

// endTurn ends the turn, and rings for the waiters that had to let it pass.
//
// What a death leaves behind: sleepers that watch this process, for it had the turn when they
// looked.
func (a *acquisition) endTurn() {
	if a.s.turn.end() {
		a.s.r.event.Ring(lock.AllSleepers)
	}
}

// watchUnits tells a sleeper what it sleeps on besides the bell.
func (a *acquisition) watchUnits(w *lock.Watch) {
	s := a.s
	if waited := time.Since(a.began); waited < lock.StarvationTime {
		w.Look(lock.StarvationTime - waited) // then it takes the turn
	}
	s.turn.watchTurn(w, a.n, a.free)
	if s.owned == nil {
		return
	}
	s.owned.Watch(w)
	// A process that gave units back since the look may hold none now and not be watched. When it
	// dies before it rings, no other process does.
	if s.r.free.Load() != a.free {
		w.Look(0)
	}
}

// tryAcquire takes n units if they are free and no other process has the turn.
func (s *Weighted) tryAcquire(ctx context.Context, n int64, leader bool) (ok bool, err error) {
	if s.owned != nil {
		ok, err = s.tryAcquireOwned(ctx, n, leader)
	} else {
		ok = s.tryAcquirePlain(n, leader)
	}
	if ok {
		s.shadow.Acquire()
	}
	return ok, err
}

func (s *Weighted) tryAcquirePlain(n int64, leader bool) bool {
	for {
		c := s.r.free.Load()
		if c < n || s.turn.isElsewhere(c, leader) {
			return false
		}
		if s.r.free.CompareAndSwap(c, c-n) {
			crashpoint.Here("semaphore.taken")
			return true
		}
	}
}

func (s *Weighted) releaseSlow(n int64) error {
	defer runtime.KeepAlive(s)
	switch {
	case s.closer.Closed():
		return lock.ErrClosed
	case n <= 0:
		return lock.ErrImpossible
	case s.owned != nil:
		return s.releaseOwned(n)
	}
	for {
		c := s.r.free.Load()
		if c > s.limit || n > s.limit-max(c, 0) {
			return ErrOverRelease
		}
		s.shadow.ReleaseMerge()
		// SYNC: units: what was done with them is visible to the next process that acquires them.
		if s.r.free.CompareAndSwap(c, c+n) {
			crashpoint.Here("semaphore.released")
			s.wake(n)
			return nil
		}
	}
}

// tryAcquireOwned is tryAcquire with undo: the units become this process's.
//
// What a death leaves behind: counts with a lock of a dead owner. The next process that locks them
// counts anew.
func (s *Weighted) tryAcquireOwned(ctx context.Context, n int64, leader bool) (ok bool, err error) {
	t := s.owned
	if free := s.r.free.Load(); (free < n || s.turn.isElsewhere(free, leader)) && !t.IsStale() {
		return false, t.LifeError()
	}
	if err := t.Lock(ctx); err != nil {
		return false, err
	}
	defer t.Unlock()
	if t.Cell() == nil {
		return false, lock.ErrDamaged
	}
	if s.r.free.Load() < n {
		t.ReclaimDead()
	}
	c := s.r.free.Load()
	if c < n || s.turn.isElsewhere(c, leader) {
		return false, nil
	}
	if err := t.Add(n); err != nil {
		return false, err
	}
	s.r.free.Store(c - n)
	crashpoint.Here("semaphore.taken")
	return true, nil
}

// releaseOwned is Release with undo.
//
// What a death leaves behind: the same; and before the ring, sleepers that watch this process, see
// acquisition.watchUnits.
func (s *Weighted) releaseOwned(n int64) error {
	t := s.owned
	if err := t.Lock(context.Background()); err != nil {
		return err
	}
	if n > t.Mine() {
		t.Unlock()
		return ErrOverRelease
	}
	s.shadow.ReleaseMerge()
	err := t.Add(-n)
	if err == nil {
		s.r.free.Store(min(max(s.r.free.Load(), 0), s.limit-n) + n)
		crashpoint.Here("semaphore.released")
	}
	t.Unlock()
	if s.r.event.Armed() {
		s.wake(n)
	}
	return err
}

// recompute makes free what the units of the living leave of all, under the lock of the counts.
func (s *Weighted) recompute(sum uint64) {
	// SYNC: undo: what the dead held is free for every process that looks from here on.
	s.r.free.Store(s.limit - int64(min(sum, uint64(s.limit))))
	crashpoint.Here("semaphore.settled")
	s.r.event.Ring(lock.AllSleepers)
}
