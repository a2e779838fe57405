package lock

// How a Select sleeps on several bells.
//
// # Protocol
//
//  1. Look at all sources, from the one behind the last that was returned. A ready one is returned.
//  2. Spin, with a look at all sources in each turn.
//  3. Read the private word of the sleep. Make every bell strict that is not fenced, issue one
//     membarrier for all of them, and make each fenced that still is strict in the same turn. Then
//     arm every bell.
//  4. Look again at all sources. A ready one: step 7.
//  5. Sleep on all bells with their tickets, on the lives of the processes that hold a source up,
//     on the closers, and on the private word.
//  6. After any return: steps 1, 3 and so on, without a spin.
//  7. Pass on: each source that is ready and is not returned gets a Notify, if the call has slept.
//
// A bell's fences and arming are ordered as those of a sleeper of one bell, see bell. The
// membarrier of step 3 comes after all bells are strict, and before any is armed. So a change that
// found one of the bells neither strict nor armed is visible to the second look, whatever the other
// bells do. A bell that is armed while it is not fenced, as changes have ended its strictness
// meanwhile, bounds the sleep to UnannouncedPoll.
//
// # Why a wake-up is passed on
//
// A ring wakes one sleeper, and the kernel counts a sleeper on several words as woken for each of
// them until it has run. So the rings of several bells may be used up by one Select, which returns
// one source. The other wake-ups were meant for sleepers that take what is there: a Notify gives
// them back. That of the source that is returned belongs to the caller, which takes what is there;
// see owed. A source whose next operation would find something, too, is passed on like one that is
// not returned: two changes may become visible with one wake-up.
//
// # Deaths
//
//	it is killed                            what is left
//	before the bells are armed              bells that are strict for no sleeper: see bell
//	when bells are armed ("select.armed")   bells that are armed for no sleeper: the next change of each makes one system
//	                                        call, finds no sleeper and disarms
//	while it sleeps                         the same; the kernel takes the sleeper off all words
//	when it was woken ("select.woken")      rings that were used up: sleepers that they were meant for look within
//	                                        the backstop, as after the death of a woken waiter of one source
//	while it passes on ("select.passing")   the same for what was not passed on yet

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Select waits until the operation of one of several sources would not wait. One goroutine at a
// time uses it. It must not be copied.
//
// It is one more sleeper of each bell, as another process would be: it does not pass the gates. So
// it delays no waiter of a single source, and two Selects cannot wait for each other. The protocol
// is described above.
type Select struct {
	sources []Source
	policy  wait.Policy
	next    int // where the next look begins, so that each source has its turn
	owed    int // the source whose wake-up the caller may not have used yet, or none
	closed  bool

	// Of the sources, see index.
	bells   []int // sources that are the first with their bell
	closers []*wait.Closer
	edges   []int // sources with Begin and End
	pins    []int // sources with Pin and Unpin

	failedSpins uint32 // spins in a row that were in vain

	// Of the Wait that goes on.
	slept    bool
	pinned   bool
	isListed bool
	tickets  []uint32  // by index in bells
	asked    []uint32  // by index in bells: with what word fencing began; 0: the bell was fenced
	listed   []listing // by index in bells
	lives    []life
	any      wait.Any
	watch    Watch
	channels *channels // nil: no goroutine watches channels
}

const none = -1

// MaxSources is how many sources a Select can have.
const MaxSources = 1024

// NewSelect returns a Select of the sources. It panics when they are more than [MaxSources].
func NewSelect(sources []Source) *Select {
	n := len(sources)
	if n > MaxSources {
		panic(fmt.Sprintf("shmsync: a Select of %d sources: at most %d are possible", n, MaxSources))
	}
	s := &Select{
		sources: sources, owed: none,
		tickets: make([]uint32, n), asked: make([]uint32, n), listed: make([]listing, n),
	}
	s.index()
	return s
}

// index finds out what the sources have in common. Sources with the same bell arm it once: two
// tickets of one bell are never valid at the same time.
func (s *Select) index() {
	s.bells, s.closers, s.edges, s.pins = s.bells[:0], s.closers[:0], s.edges[:0], s.pins[:0]
	s.policy = wait.Adaptive
	bells, closers := make(map[*EventRegion]bool), make(map[*wait.Closer]bool)
	for i := range s.sources {
		src := &s.sources[i]
		if src.Begin != nil {
			s.edges = append(s.edges, i)
		}
		if src.Pin != nil {
			s.pins = append(s.pins, i)
		}
		if src.Event == nil {
			continue
		}
		switch {
		case len(bells) == 0:
			s.policy = src.Policy
		case s.policy != src.Policy:
			s.policy = wait.Adaptive
		}
		if e := src.Event.e; !bells[e] {
			bells[e] = true
			s.bells = append(s.bells, i)
		}
		if c := src.Event.party.Closer; !closers[c] {
			closers[c] = true
			s.closers = append(s.closers, c)
		}
	}
}

// Set replaces the i-th source. The zero Source is never ready.
func (s *Select) Set(i int, src Source) {
	if s.owed == i {
		s.giveBack()
	}
	if s.sources[i].Done != nil || src.Done != nil {
		s.endChannels() // the next sleep begins to watch those that are there then
	}
	s.sources[i] = src
	s.index()
}

// Close passes on the wake-up that the caller has not used, and ends the watch of channels. It may
// be called again.
func (s *Select) Close() {
	if s.closed {
		return
	}
	if s.owed != none {
		s.giveBack()
	}
	s.endChannels()
	clear(s.sources)
	s.index()
	s.closed = true
}

// Try is a Wait that does not wait, and reports whether a source is ready.
func (s *Select) Try() (i int, ok bool) {
	if s.closed {
		return none, false
	}
	s.begin()
	i = s.look()
	s.end(i)
	runtime.KeepAlive(s)
	return i, i != none
}

// Wait returns the index of a source that is ready.
//
// Errors: [ErrClosed] when this process has closed the segment of a source, or the Select; the
// context's error.
func (s *Select) Wait(ctx context.Context) (int, error) {
	if s.closed {
		return none, ErrClosed
	}
	s.begin()
	i, err := none, error(nil)
	if err = s.over(); err != nil {
		// it does not even look
	} else if i = s.look(); i == none {
		i, err = s.wait(ctx)
	}
	s.end(i)
	runtime.KeepAlive(s)
	return i, err
}

// wait waits until a source is ready, where none was at the first look.
func (s *Select) wait(ctx context.Context) (i int, err error) {
	i = none
	if s.policy != wait.Parking {
		i = s.spin()
	}
	began := wait.Start(ctx)
	for {
		switch {
		case s.over() != nil:
			return none, s.over()
		case i != none:
			return i, nil
		case ctx.Err() != nil:
			return none, wait.Late(ctx, context.Cause(ctx), began)
		case s.policy == wait.Spinning:
			s.list()
			runtime.Gosched() // a goroutine of this process may have to make a source ready
			i = s.spin()
		default:
			i = s.sleep(ctx)
		}
	}
}

// over is an error when this process has closed the segment or the object of a source, or may only
// read it.
func (s *Select) over() error {
	for _, c := range s.closers {
		if c.Closed() {
			return c.Err()
		}
	}
	return nil
}

// look returns a source that is ready, or none.
func (s *Select) look() int {
	n := len(s.sources)
	for k := range n {
		i := s.next + k
		if i >= n {
			i -= n
		}
		if src := &s.sources[i]; src.Ready != nil && src.Ready() {
			return i
		}
	}
	return none
}

// After a spin that found nothing, a Select looks only a few times, except for one wait of
// probeEvery: the other side may need this processor.
const (
	fewLooks   = 6
	probeEvery = 16
)

// spin looks a bounded number of times, and returns a source that is ready, or none.
func (s *Select) spin() int {
	looks := fewLooks
	if s.policy == wait.Spinning || s.failedSpins%probeEvery == 0 {
		looks = math.MaxInt
	}
	for spin := newSpin(s.policy, 1); looks > 0 && spin.Pause(); looks-- {
		if i := s.look(); i != none {
			s.failedSpins = 0
			return i
		}
	}
	s.failedSpins++
	return none
}

// begin begins a Wait.
func (s *Select) begin() {
	for _, i := range s.edges {
		s.sources[i].Begin()
	}
}

// end ends a Wait that returns i, or none.
func (s *Select) end(i int) {
	if i != none {
		if s.next = i + 1; s.next == len(s.sources) {
			s.next = 0
		}
	}
	for _, k := range s.edges {
		s.sources[k].End(k == i)
	}
	switch {
	case s.slept:
		s.slept = false
		s.passOn(i)
		s.owed = i
	case s.owed != none && s.owed != i:
		s.giveBack() // the caller has had its chance to take what was there
	}
	if s.isListed {
		s.unlist()
	}
	if s.pinned {
		s.unpin()
	}
}

// giveBack passes on the wake-up of the source that was returned after a sleep.
func (s *Select) giveBack() {
	src := &s.sources[s.owed]
	s.owed = none
	if src.Event != nil && src.Ready() {
		src.notify()
	}
}

// passOn gives back the wake-ups that this call may have used up and that its caller does not use.
func (s *Select) passOn(returned int) {
	for i := range s.sources {
		src := &s.sources[i]
		if src.Event == nil {
			continue
		}
		if i != returned && src.Ready() || i == returned && src.More != nil && src.More() {
			crashpoint.Here("select.passing")
			src.notify()
		}
	}
}
