package segment

import (
	"context"
	"math"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// A process has an object open until its garbage collector has found every handle unreachable, and
// a process with nothing to do collects nothing. So a removal is announced: each process in which
// something is open that was removed runs its collector, and gives back what no handle leads to.
// The same goes for attachments that were made for the sake of handles, when the segment has lost
// its name or all others have left it.
//
// Announcements cost a process at most a twentieth of its time, and less and less while nothing
// comes of them. A process that lacks room asks, which the others follow at once, and waits for
// their answers.
//
// What a death leaves behind: an announcement that wakes no process. The next one does, at the
// latest when room is lacking.

const (
	givePause    = 10 * time.Millisecond // between two collections at least
	givePauseMax = time.Minute
	giveShare    = 20 // a collection that took a second is followed by a pause of so many

	// askPatience is how long a process that lacks room waits for the answers of others: as long as
	// they need to collect, unless one is stopped.
	askPatience = time.Second
)

// announce tells all processes that something was removed.
func (s *Segment) announce() {
	h := s.dir.Header()
	// SYNC: removals: a process that is about to sleep says so before it looks whether the number
	// has changed.
	h.Removals.Add(1)
	crashpoint.Here("giveback.announced")
	if h.Listening.Load() != 0 {
		h.Listening.Store(0)
		futex.Wake(h.RemovalsWord(0).Addr, math.MaxInt32)
	}
}

// listen starts to follow announcements, once. It ends with Close.
func (s *Segment) listen() {
	s.listening.Do(func() {
		seen := s.dir.Header().Removals.Load()
		asked := s.dir.Header().Asked.Load()
		s.party.Waits.Answer(asked)
		go s.follow(seen, asked)
	})
}

// follow gives back what no handle leads to, whenever something was removed: seen are the removals
// and answered the requests that it need not look at.
func (s *Segment) follow(seen, answered uint32) {
	h, ctx := s.dir.Header(), wait.WithLongSleep(context.Background())
	for pause := givePause; !s.Closed(); {
		h.Listening.Store(1)
		if h.Removals.Load() == seen {
			wait.ParkShared(ctx, s.party.Closer, wait.MaxSleep, h.RemovalsWord(seen))
			continue
		}
		seen = h.Removals.Load()
		asked, began := h.Asked.Load(), time.Now()
		if s.giveBack(asked != answered) {
			pause = givePause
		} else {
			pause = min(2*pause, givePauseMax)
		}
		s.party.Waits.Answer(asked)
		answered = asked
		rest := min(max(pause, giveShare*time.Since(began)), givePauseMax)
		for end := time.Now().Add(rest); !s.Closed() && h.Asked.Load() == asked && time.Until(end) > 0; {
			wait.ParkShared(ctx, s.party.Closer, time.Until(end), h.AskedWord(asked))
		}
	}
}

// giveBack lets go of what was removed and what no handle leads to, and reports whether there was
// any. When another process lacks room, objects without a name are looked at, too: while there is
// room, a program that holds some need not run its collector at every removal.
func (s *Segment) giveBack(lacking bool) bool {
	kind := place.isRemoved
	if lacking {
		kind = place.isRetired
	}
	if !s.keeps(kind) && !s.isForsaken() {
		return false
	}
	gave := s.dropUnreachable()
	if gave {
		_ = s.locked(func() error { return s.dir.Reclaim(math.MaxUint32) })
		crashpoint.Here("giveback.swept")
	}
	s.closeIdle()
	return gave
}

// isForsaken reports whether this process is attached for the sake of handles alone, and no other
// can come any more.
func (s *Segment) isForsaken() bool {
	if !s.auto.Load() || s.Closed() {
		return false
	}
	if s.named {
		return s.CheckNamed() != nil
	}
	alone := true
	s.table.Owners(func(o proctab.Owner) bool { alone = o == s.Me(); return alone })
	return alone
}

// ask has all other processes give back what they do not use, and waits for that until ctx ends. It
// reports false when there is nothing that they could have.
func (s *Segment) ask(ctx context.Context) bool {
	h := s.dir.Header()
	if h.Retired.Load() == 0 {
		return false
	}
	n := h.Asked.Add(1)
	crashpoint.Here("giveback.asked")
	futex.Wake(h.AskedWord(0).Addr, math.MaxInt32)
	s.announce()
	pause := 100 * time.Microsecond
	for end := time.Now().Add(askPatience); !s.answered(n) && ctx.Err() == nil && !s.Closed() && time.Until(end) > 0; {
		time.Sleep(pause) // a rare look at many answers, none of which wakes a process
		pause = min(2*pause, 10*time.Millisecond)
	}
	runtime.KeepAlive(s)
	return true
}

// answered reports whether all other processes that have objects open have answered the n'th
// request.
func (s *Segment) answered(n uint32) bool {
	all := true
	s.table.Owners(func(o proctab.Owner) bool {
		got, listens := s.party.Waits.Answered(o)
		all = o == s.Me() || !listens || (n-got)<<1 == 0 || int32((n-got)<<1) < 0
		return all
	})
	return all
}
