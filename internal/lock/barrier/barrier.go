// Package barrier holds the cyclic barrier, which breaks when a party dies.
package barrier

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Cyclic is one process's half of a barrier in shared memory: a place where a number of
// goroutines of all processes wait for each other. It must not be copied.
//
// A process that has joined is a party, and has a cell. When it dies, the barrier breaks. A waiter
// finds out because it sleeps on the lives of all parties, a party that arrives because it looks at
// all cells. The cell of a dead party stays until a process resets the barrier, or takes the cell
// as it joins.
//
// What a death leaves behind: the state is one word, so it is before a change or after it. A party
// that has died is seen by the others whatever it was about to do, and they break what it has left;
// one that had already tripped the generation, or broken it, has sleepers that see its death, and
// then how their generation ended. A process that is no party, and dies while it aborts or resets,
// leaves the barrier whole or broken, and sleepers to the backstop.
type Cyclic struct {
	h       *head
	m       *lock.Mutex // of processes that join or reset
	slots   *lock.ProcSlots
	event   *lock.EventCount
	party   *lock.Party
	parties int // immutable
	policy  wait.Policy
	shadow  race.Shadow
}

// Bytes is how much shared memory a barrier needs in a segment for n processes, aligned to a cache
// line.
func Bytes(n int) int { return headBytes + lock.ProcSlotsBytes(n) }

// Init makes zeros a barrier for that many parties, 1 to [MaxParties].
func Init(mem []byte, parties int) { headIn(mem).parties.Store(uint32(parties)) }

// PartyCount is for how many parties the barrier in mem was made, or nonsense when its bytes are
// damaged.
func PartyCount(mem []byte) int { return int(headIn(mem).parties.Load()) }

// New views mem, which lies in the party's segment, as a barrier for that many parties. Waits for
// it are for subject.
func New(p *lock.Party, mem []byte, parties int, policy wait.Policy, subject lock.Target) *Cyclic {
	h := headIn(mem)
	b := &Cyclic{
		h:       h,
		m:       lock.NewMutex(p, h.lock[:], wait.Adaptive),
		slots:   lock.NewProcSlots(p, &h.high, mem[headBytes:]),
		event:   lock.NewSwappedCount(p, h.event[:]),
		party:   p,
		parties: parties,
		policy:  policy,
	}
	b.event.Target, b.m.Part = subject, subject
	return b
}

func (b *Cyclic) load() stateWord { return stateWord(b.h.state.Load()) }

func (b *Cyclic) swap(old, next stateWord) bool {
	// SYNC: barrier: what the caller wrote before it arrived is visible to every process that sees
	// the generation over.
	return b.h.state.CompareAndSwap(uint64(old), uint64(next))
}

// Wait waits until all parties have come, and returns as the how manieth this one came, from 0. The
// last to come runs the action, if it has one, before the others go on.
//
// Errors: a [*BrokenError]; that of the action; [lock.ErrClosed]; the context's error, and the
// barrier is broken.
//
// Preconditions: this process has joined.
func (b *Cyclic) Wait(ctx context.Context, action func() error) (index int, err error) {
	b.shadow.ReleaseMerge()
	came, err := b.arrive(ctx, action)
	if err == nil {
		index = came.arrived()
		switch g := came.generation(); {
		case index+1 < b.parties:
			err = b.awaitEnd(ctx, g)
		case action != nil:
			err = b.act(g, action)
		}
	}
	b.shadow.Acquire()
	runtime.KeepAlive(b)
	return index, err
}

// arrive counts the caller as arrived, and returns the state before that. When it is
// the last and has no action, it has tripped the barrier.
func (b *Cyclic) arrive(ctx context.Context, action func() error) (stateWord, error) {
	for {
		s := b.load()
		g := s.generation()
		next := s + oneArrived
		switch {
		case b.party.Closer.Closed():
			return 0, lock.ErrClosed
		case s.broken():
			return 0, b.failure(g)
		case s.arrived() >= b.parties: // all have come, and the last runs its action
			if err := b.event.AwaitEach(ctx, b.policy, b.ready(g), b.watchParties(g)); err != nil {
				return 0, err
			}
			continue
		case s.arrived() == b.parties-1 && action == nil:
			next = s.next(false) // #1 -> #1'
		}
		if !b.detectDeath(g) && b.swap(s, next) { // #1 -> #1, #3
			crashpoint.Here("barrier.came")
			if next.generation() != g {
				b.event.NotifyAll()
			}
			return s, nil
		}
	}
}

// awaitEnd waits for the end of generation g, in which the caller has come.
func (b *Cyclic) awaitEnd(ctx context.Context, g uint32) error {
	err := b.event.AwaitEach(ctx, b.policy, b.ready(g), b.watchParties(g))
	if err == nil || err != lock.ErrClosed && !b.markBroken(g, ByGivingUp, b.party.Member.ID()) {
		return b.outcome(g)
	}
	return err
}

// ready returns what reports whether the waits of generation g are over. A waiter that never sleeps
// is not asked what to watch, and looks at the cells now and then.
func (b *Cyclic) ready(g uint32) func() bool {
	looks := 0
	return func() bool {
		if looks++; b.policy == wait.Spinning && looks%spinningLooks == 0 {
			b.detectDeath(g)
		}
		return b.load().isOver(g)
	}
}

// spinningLooks is how many looks at the state, some microseconds apart, there are to one at all
// cells.
const spinningLooks = 64

// watchParties returns what has a sleeper of generation g sleep on the lives of all parties.
func (b *Cyclic) watchParties(g uint32) func(*lock.Watch) {
	return func(w *lock.Watch) {
		if b.detectDeath(g) {
			w.Look(0)
			return
		}
		for _, cell := range b.slots.All {
			w.Process(lock.CellOwner(cell))
		}
	}
}

// outcome is how generation g, which is over, has ended.
func (b *Cyclic) outcome(g uint32) error {
	if b.load().endedBroken(g) {
		return b.failure(g)
	}
	return nil
}

// act runs the action of the last to come in generation g, and trips the barrier.
func (b *Cyclic) act(g uint32, action func() error) error {
	me := b.party.Member.ID()
	done := false
	defer func() {
		if !done { // an error, a panic, or Goexit
			b.markBroken(g, ByAction, me)
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
func (b *Cyclic) trip(g uint32) error {
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
func (b *Cyclic) Parties() int { return b.parties }

// Waiting is how many have come and wait now.
func (b *Cyclic) Waiting() int {
	s := b.load()
	runtime.KeepAlive(b)
	if s.broken() {
		return 0
	}
	return min(s.arrived(), b.parties)
}

// failure is the error of a wait in generation g, which broke.
func (b *Cyclic) failure(g uint32) error {
	if b.party.Closer.Closed() { // which may be why it broke, for the others
		return lock.ErrClosed
	}
	e := &BrokenError{}
	if c := causeWord(b.h.cause.Load()); c.generation() == g {
		e.Cause = c.why()
		e.name(b.party.Member.Table(), c.process())
	}
	return e
}

func (e *BrokenError) name(table *proctab.Table, who proctab.Owner) {
	if i, ok := table.Info(who); ok {
		e.PID, e.Program, e.Attached = i.PID, i.Program, i.Started
	}
}

// joinPatience is how long Join waits for others that join. It takes them microseconds, unless they
// are stopped.
const joinPatience = 5 * time.Second

// Join makes this process a party, if it is none. When no other party lives, what dead
// ones have left concerns no process, and the barrier is made whole.
//
// Errors: [lock.ErrLocked] when another process, which lives, is stopped while it joins;
// [lock.ErrNoCell] when the bytes of the barrier are damaged, [lock.ErrClosed]. This process is no
// party then.
func (b *Cyclic) Join() error {
	if b.Joined() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinPatience)
	defer cancel()
	switch err := b.m.Lock(ctx); {
	case errors.Is(err, lock.ErrOwnerDied): // a claim is whole at every step
		b.m.TryMarkConsistent()
	case errors.Is(err, context.DeadlineExceeded):
		return lock.ErrLocked
	case err != nil:
		return err
	}
	defer b.m.TryUnlock() // false when damaged bytes say that another process has the lock
	if b.Joined() {       // by another goroutine meanwhile, which may be waiting already
		return nil
	}
	if !b.slots.OthersAlive() {
		b.reset()
	}
	// before the dead one is forgotten
	lost := func(uint64) { b.detectDeath(b.load().generation()) }
	if b.slots.Claim(1, lost) == nil {
		return lock.ErrNoCell
	}
	b.event.NotifyAll() // sleepers must watch this process, too
	return nil
}

// Joined reports whether this process is a party.
func (b *Cyclic) Joined() bool { return b.slots.Mine() != nil }

// Busy reports whether a goroutine of this process joins or resets just now.
func (b *Cyclic) Busy() bool { return b.m.Held() }

// Owners are the parties of the [Cyclic] in mem.
func Owners(mem []byte) []proctab.Owner {
	if len(mem) < headBytes {
		return nil
	}
	return lock.CellOwners(mem[headBytes:], headIn(mem).high.Load(), func(uint64) bool { return true })
}
