package lock

import (
	"context"
	"runtime"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Barrier is one process's half of a barrier in shared memory: a place where a number of
// goroutines of all processes wait for each other. It must not be copied.
//
// A process that has joined is a party, and has a seat. When it dies, the barrier breaks: whoever waits finds out
// because it sleeps on the lives of all parties, whoever comes because it looks at all seats. The seat of a
// dead party stays until somebody resets the barrier, or a process that joins takes it.
//
// What a death leaves behind: the state is one word, so it is before a change or after it. A party
// that has died is seen by the others whatever it was about to do, and they break what it has left; one that had
// already tripped the generation, or broken it, has sleepers who see its death, and then what has become of their generation.
// A process that is no party, and dies while it aborts or resets, leaves the barrier whole or broken, and sleepers to the backstop.
type Barrier struct {
	h       *barrierHead
	m       *Mutex // for whoever joins or resets
	seats   *roster
	event   *EventCount
	party   *Party
	parties int // immutable
	policy  wait.Policy
	shadow  race.Shadow
}

// BarrierBytes is how much shared memory a barrier needs in a segment for n processes, aligned to a cache line.
func BarrierBytes(n int) int { return barrierHeadBytes + rosterBytes(n) }

// InitBarrier makes zeros a barrier for that many parties, 1 to [MaxParties].
func InitBarrier(mem []byte, parties int) { barrierIn(mem).parties.Store(uint32(parties)) }

// BarrierParties is for how many parties the barrier in mem was made, or nonsense when its bytes are damaged.
func BarrierParties(mem []byte) int { return int(barrierIn(mem).parties.Load()) }

// NewBarrier views mem, which lies in the party's segment, as a barrier for that many parties. Waits for it are for subject.
func NewBarrier(p *Party, mem []byte, parties int, policy wait.Policy, subject Target) *Barrier {
	h := barrierIn(mem)
	b := &Barrier{
		h:       h,
		m:       NewMutex(p, h.lock[:], wait.Adaptive),
		seats:   newRoster(p, &h.high, mem[barrierHeadBytes:]),
		event:   newSwappedCount(p, h.event[:]),
		party:   p,
		parties: parties,
		policy:  policy,
	}
	b.event.Target = subject
	return b
}

func (b *Barrier) load() barrierState { return barrierState(b.h.state.Load()) }

func (b *Barrier) swap(old, next barrierState) bool {
	// SYNC: barrier: what the caller wrote before it came is visible to whoever sees the generation over.
	return b.h.state.CompareAndSwap(uint64(old), uint64(next))
}

// Wait waits until all parties have come, and returns as the how manieth this one came, from 0. The last to come runs
// the action, if it has one, before the others go on.
//
// Errors: a [*BrokenError]; that of the action; [ErrClosed]; the context's error, and the barrier is broken.
//
// Preconditions: this process has joined.
func (b *Barrier) Wait(ctx context.Context, action func() error) (index int, err error) {
	b.shadow.ReleaseMerge()
	came, err := b.come(ctx, action)
	if err == nil {
		index = came.arrived()
		switch g := came.generation(); {
		case index+1 < b.parties:
			err = b.await(ctx, g)
		case action != nil:
			err = b.act(g, action)
		}
	}
	b.shadow.Acquire()
	runtime.KeepAlive(b)
	return index, err
}

// come counts the caller among those who have come, and returns the state before that. When it is
// the last and has no action, it has tripped the barrier.
func (b *Barrier) come(ctx context.Context, action func() error) (barrierState, error) {
	for {
		s := b.load()
		g := s.generation()
		next := s + oneArrived
		switch {
		case b.party.Closer.Closed():
			return 0, ErrClosed
		case s.broken():
			return 0, b.failure(g)
		case s.arrived() >= b.parties: // all have come, and the last runs its action
			if err := b.event.AwaitEach(ctx, b.policy, b.ready(g), b.watch(g)); err != nil {
				return 0, err
			}
			continue
		case s.arrived() == b.parties-1 && action == nil:
			next = s.next(false) // #1 -> #1'
		}
		if !b.mourn(g) && b.swap(s, next) { // #1 -> #1, #3
			crashpoint.Here("barrier.came")
			if next.generation() != g {
				b.event.NotifyAll()
			}
			return s, nil
		}
	}
}

// await waits for the end of generation g, in which the caller has come.
func (b *Barrier) await(ctx context.Context, g uint32) error {
	err := b.event.AwaitEach(ctx, b.policy, b.ready(g), b.watch(g))
	if err == nil || err != ErrClosed && !b.breakUp(g, BrokenByGivingUp, b.party.Member.ID()) {
		return b.outcome(g)
	}
	return err
}

// ready returns what reports whether the wait of those who came in generation g is over. Who never sleeps is not asked
// whom to watch, and looks at the seats now and then.
func (b *Barrier) ready(g uint32) func() bool {
	looks := 0
	return func() bool {
		if looks++; b.policy == wait.Spinning && looks%spinningLooks == 0 {
			b.mourn(g)
		}
		return b.load().isOver(g)
	}
}

// spinningLooks is how many looks at the state, some microseconds apart, there are to one at all seats.
const spinningLooks = 64

// watch returns what has a sleeper of generation g sleep on the lives of all parties.
func (b *Barrier) watch(g uint32) func(*Watch) {
	return func(w *Watch) {
		if b.mourn(g) {
			w.Look(0)
			return
		}
		for _, seat := range b.seats.all {
			w.Process(ownerOfSeat(seat))
		}
	}
}

// outcome is how generation g, which is over, has ended.
func (b *Barrier) outcome(g uint32) error {
	if b.load().endedBroken(g) {
		return b.failure(g)
	}
	return nil
}

// act runs the action of the last to come in generation g, and trips the barrier.
func (b *Barrier) act(g uint32, action func() error) error {
	me := b.party.Member.ID()
	done := false
	defer func() {
		if !done { // an error, a panic, or Goexit
			b.breakUp(g, BrokenByAction, me)
		}
	}()
	b.shadow.Acquire()
	if err := action(); err != nil {
		return err
	}
	done = true
	b.shadow.ReleaseMerge()
	return b.trip(g)
}

// trip ends generation g, in which all have come, unless it was broken meanwhile.
func (b *Barrier) trip(g uint32) error {
	for s := b.load(); !s.isOver(g); s = b.load() {
		if b.swap(s, s.next(false)) { // #3 -> #1'
			crashpoint.Here("barrier.tripped")
			b.event.NotifyAll()
			return nil
		}
	}
	return b.outcome(g)
}

// Parties is how many have to come.
func (b *Barrier) Parties() int { return b.parties }

// Waiting is how many have come and wait now.
func (b *Barrier) Waiting() int {
	s := b.load()
	runtime.KeepAlive(b)
	if s.broken() {
		return 0
	}
	return min(s.arrived(), b.parties)
}

// failure is the error of a wait in generation g, which broke.
func (b *Barrier) failure(g uint32) error {
	if b.party.Closer.Closed() { // which may be why it broke, for the others
		return ErrClosed
	}
	e := &BrokenError{}
	if c := barrierCause(b.h.cause.Load()); c.generation() == g {
		e.Cause = c.why()
		e.name(b.party.Member.Table(), c.who())
	}
	return e
}

func (e *BrokenError) name(table *proctab.Table, who proctab.Owner) {
	if i, ok := table.Info(who); ok {
		e.PID, e.Program, e.Attached = i.PID, i.Program, i.Started
	}
}
