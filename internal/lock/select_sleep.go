package lock

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/wait"
)

// A life is a liveness word that a Select sleeps on.
type life struct {
	party *Party
	word  futex.Word
}

// mostListed is how many of the sources of a sleeping Select are listed in tables of waits.
const mostListed = 4

// sleep announces the Select at all bells, looks again, and sleeps on all of them. It returns a
// source that is ready, or none.
//
// What a death leaves behind: armed bells. See Select.
func (s *Select) sleep(ctx context.Context) int {
	ticket := s.any.Ticket()
	if i := s.pin(); i != none {
		return i
	}
	limit := wait.BackstopOf(ctx)
	if !s.arm() {
		limit = UnannouncedPoll
	}
	crashpoint.Here("select.armed")
	// SYNC: bell: this look comes after the arming of all bells. It is made of atomic loads, so
	// that none is satisfied before.
	if i := s.look(); i != none {
		return i
	}
	limit = s.load(limit)
	s.watchChannels()
	s.list()
	s.slept = true
	s.any.Sleep(ctx, ticket, limit)
	s.spread()
	crashpoint.Here("select.woken")
	return s.look()
}

// bell is the bell of s.bells[k].
func (s *Select) bell(k int) *bell { return &s.sources[s.bells[k]].Event.e.bell }

// arm arms all bells, and reports whether all later changes ring them.
func (s *Select) arm() (sure bool) {
	for range maxFences {
		if !s.fence() {
			break
		}
	}
	sure = true
	for k, i := range s.bells {
		var isFenced bool
		s.tickets[k], isFenced = s.bell(k).armNow()
		sure = sure && (isFenced || s.sources[i].Event.swapped)
	}
	return sure
}

// fence makes all bells fenced, with one membarrier, as far as changes do not end their strictness
// at that moment. It reports false when there was nothing to do.
func (s *Select) fence() (asked bool) {
	for k, i := range s.bells {
		s.asked[k] = 0
		if !s.sources[i].Event.swapped && !s.bell(k).isFenced() {
			s.asked[k] = s.bell(k).ask()
			asked = true
		}
	}
	if !asked {
		return false
	}
	futex.MembarrierOrPause()
	for k := range s.bells {
		if s.asked[k] != 0 {
			s.bell(k).confirm(s.asked[k])
		}
	}
	return true
}

// load gathers the words to sleep on, and returns how long to sleep at most.
func (s *Select) load(limit time.Duration) time.Duration {
	for k := range s.bells {
		s.any.Add(futex.Word{Addr: s.bell(k).futex(), Val: s.tickets[k]})
	}
	for _, c := range s.closers {
		s.any.AddCloser(c)
	}
	s.lives = s.lives[:0]
	for i := range s.sources {
		src := &s.sources[i]
		if src.Watch == nil {
			continue
		}
		w := &s.watch
		w.begin(src.Event.party, futex.Word{}, limit)
		src.Watch(w)
		for _, word := range w.words[1:w.n] {
			s.any.Add(word)
			s.lives = append(s.lives, life{src.Event.party, word})
		}
		limit = w.limit
	}
	return limit
}

// spread passes on deaths, which the kernel has told this sleeper alone.
func (s *Select) spread() {
	for _, l := range s.lives {
		l.party.Member.Table().WakeAll(l.word)
	}
	clear(s.lives)
}

// pin keeps the memory of all bells in use until unpin. It returns a source whose memory is gone,
// which is ready, or none.
func (s *Select) pin() int {
	if s.pinned {
		return none
	}
	for k, i := range s.pins {
		if !s.sources[i].Pin() {
			s.unpinFirst(k)
			return i
		}
	}
	s.pinned = true
	return none
}

func (s *Select) unpin() {
	s.pinned = false
	s.unpinFirst(len(s.pins))
}

func (s *Select) unpinFirst(n int) {
	for _, i := range s.pins[:n] {
		s.sources[i].Unpin()
	}
}

// list puts the wait into the tables of waits, once for each of the first bells.
func (s *Select) list() {
	if s.isListed {
		return
	}
	s.isListed = true
	for k, i := range s.bells[:min(len(s.bells), mostListed)] {
		e := s.sources[i].Event
		s.listed[k] = e.party.Waits.add(e.Target)
	}
}

func (s *Select) unlist() {
	s.isListed = false
	for k, i := range s.bells[:min(len(s.bells), mostListed)] {
		s.sources[i].Event.party.Waits.remove(s.listed[k])
	}
}
