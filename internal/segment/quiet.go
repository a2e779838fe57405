package segment

import (
	"sync/atomic"
	"time"
)

// What an object answers Close is whether this process holds something of it. An operation that is
// under way, and runs no code of a user, is given time first: it comes to its end as soon as its
// goroutine has a processor, and what it returns is true then. Looks are counted, as time passes
// for a stopped process, too.
const (
	// soonLooks are for words in shared memory, which other processes may have overwritten: some
	// seconds.
	soonLooks = 400
	// surelyLooks are for words in the process's own memory, which say nothing false: a minute.
	surelyLooks = 6000
)

// A looks is how many looks are left, of all objects together: a close of a segment lasts no longer
// when many of them were overwritten.
type looks struct{ soon, surely atomic.Int32 }

// grantLooks begins a close.
func (s *Segment) grantLooks() {
	s.looks.soon.Store(soonLooks)
	s.looks.surely.Store(surelyLooks)
	if s.grace == 0 { // in tests
		s.looks.soon.Store(0)
		s.looks.surely.Store(0)
	}
}

// QuietSoon waits some seconds until quiet, which looks at shared memory, reports true.
func (s *Segment) QuietSoon(quiet func() bool) bool { return awaitQuiet(quiet, &s.looks.soon) }

// QuietSurely waits a minute until quiet, which looks at this process's own memory, reports true.
func (s *Segment) QuietSurely(quiet func() bool) bool { return awaitQuiet(quiet, &s.looks.surely) }

func awaitQuiet(quiet func() bool, left *atomic.Int32) bool {
	pause := 50 * time.Microsecond
	for !quiet() {
		if left.Add(-1) < 0 {
			left.Store(0)
			return false
		}
		time.Sleep(pause) // nothing tells when it is
		pause = min(2*pause, 10*time.Millisecond)
	}
	return true
}

// StillHeld is the answer of an object whose lock only operations take: it gives the holder some
// seconds to come to its end, unless calling says that it runs code of a user; nil: none does.
func (s *Segment) StillHeld(held func() bool, calling *atomic.Bool) bool {
	s.QuietSoon(func() bool { return !held() || calling != nil && calling.Load() })
	return held()
}
