package lock

import (
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/wait"
)

// An RWMutex is one process's half of a robust readers–writer lock in shared memory.
// Each process has one for each lock: its goroutines share it. It must not be copied.
//
// Each process counts its readers in a seat of its own, see [seatKey], so that readers of two processes
// share no cache line, and what a dead process's readers leave behind is known to be theirs. Writers exclude each other by the
// lock writers. The one who has it bars every seat and waits until no living process counts a reader.
//
//	state:
//	  0 open     the seats are open, or being opened
//	  1 closing  who holds writers waits for readers to leave
//	  2 owned    every seat of a living process is barred and counts nobody: a writer is inside
//
//	#  writers     state    seats            meaning                   next
//	1  free        open     open             readers come and go       lock -> 2
//	2  p           open     some barred      p closes the seats        nobody inside -> 4, else -> 3; p dies: 6
//	3  p           closing  barred           p waits for readers       the last leaves -> 4, p gives up -> 5; p dies: 6
//	4  p           owned    barred, empty    p is inside               unlock -> 5; p dies: 7
//	5  p           open     some barred      p opens the seats         -> 1, or -> 2 of the next; p dies: 6
//	6  p, dead     not owned  any            nobody was inside         a writer takes over -> 2, a reader -> 5
//	7  p, dead     owned    barred, empty    a writer died inside      repair -> 8
//	8  q, suspect  owned    barred, empty    q repairs                 mark consistent -> 4, unlock -> 9; q dies: 7
//	9  0, suspect  owned    barred, empty    waits for repair          repair -> 8
//
// In #7 and #9 a locker without a repair function changes nothing and reports the death, as with a
// [Mutex].
//
// A process that comes later claims a seat at any time. It is barred from the start, so that it changes nothing for the
// writer of the moment, who opens it with the others; when there is none, its first reader opens it by way of #5.
//
// # Turns
//
// A reader that finds its seat barred sets waits, once for all readers of its process. The next
// writer leaves such a seat open for as long as that takes, but no longer than five milliseconds, until those
// who waited have gone in, all at once; then it bars it. So a reader waits for one writer, a writer for the readers
// who came before it or had waited by then, and neither starves the other.
//
// # Deaths
//
//	a reader inside                   its seat counts nothing: the writer who waits for it watches its life
//	a reader about to go in or out    the same
//	a reader asleep, or with a turn   the same; an armed bell, which costs the next writer to leave a system call
//	a reader in writers' place        #6: it only opens the seats
//	a writer that closes or opens     #6: the next writer or a waiting reader opens the seats; no death is reported
//	a writer inside                   #7: every locker reports the death, until one repairs
//	a writer that repairs             #7 again
type RWMutex struct {
	seat    *atomic.Uint64 // of this process; immutable
	r       *rwHead
	me      proctab.Owner // immutable
	party   *Party
	policy  wait.Policy
	seats   *roster
	writers *Mutex      // its holder alone may bar and open seats and change the state
	drained *EventCount // of the writer who waits until nobody is inside
	opened  *EventCount // of readers who wait until their seats are open

	leading  *LeaderFollower // of the readers of this process
	crowd    crowd
	leader   *guest       // guarded by leading
	suspects bool         // the next look is also at writers; guarded by leading
	forsaken bool         // and nobody alive has it; guarded by leading
	turns    atomic.Int64 // until when seats keep their turns, in nanoseconds since writers.born; 0: not begun. That of who has writers, of which damaged bytes make two

	read, wrote race.Shadow

	// Keep is reachable for as long as a call goes on: the object, whose memory could be used anew else. Set before the first use.
	Keep any
}

// The states.
const (
	rwOpen uint32 = iota
	rwClosing
	rwOwned
)

// rwTurn is how long a writer waits for those whose turn it is: they only have to wake up.
const rwTurn = dawdling

// NewRWMutex views mem, which has [RWMutexBytes] bytes or more and lies in the party's segment, as a
// readers–writer lock. It returns nil when no seat is free, which says that the bytes are damaged.
func NewRWMutex(p *Party, mem []byte, policy wait.Policy) *RWMutex {
	r := rwHeadIn(mem)
	l := &RWMutex{
		r:       r,
		me:      p.Member.ID(),
		party:   p,
		policy:  policy,
		seats:   newRoster(p, &r.high, mem[rwHeadBytes:]),
		writers: NewMutex(p, mem, policy),
		drained: newSwappedCount(p, mem[rwDrainedOffset:]),
		opened:  newSwappedCount(p, mem[rwOpenedOffset:]),
		leading: NewLeaderFollower(),
	}
	l.writers.damaged = l.isOwned // elsewhere a dead writer leaves nothing but bars, see reopen
	l.writers.RecordDeaths(mem[rwObituaryOffset:])
	l.seat = l.seats.claim(seatGuard|seatBarred, nil)
	if l.seat == nil {
		return nil
	}
	return l
}

// Targets says what waits for this lock are posted as: for a writer, for a reader, and for the readers to leave.
func (l *RWMutex) Targets(lock, rlock, drain Target) {
	l.writers.Target, l.opened.Target, l.drained.Target = lock, rlock, drain
}

// Seat is where this process counts its readers, and its key. A caller who adds one there
// and finds the key above the lowest [ReaderBits] bits has a read lock; else it calls [RWMutex.RLock] at once. A caller
// who subtracts one and does not find the key calls [RWMutex.RUnlock] at once. That is all that the fast path does.
func (l *RWMutex) Seat() (seat *atomic.Uint64, key uint64) { return l.seat, seatKey(l.me) }

// Held reports whether this process holds the lock, for reading or writing. When the process is closing, a false
// also says that it never will again.
func (l *RWMutex) Held() bool {
	if l.party.Closer.Closed() {
		l.shutSelf()
	}
	held := hasReaders(l.seat.Load()) || l.writers.Held()
	runtime.KeepAlive(l)
	return held
}

// isOwned reports whether a writer is inside, or died there: #4, #7 to #9.
func (l *RWMutex) isOwned() bool { return l.r.state.Load() == rwOwned }

// open ends a writer's turn, or what is left of one: #4 -> #5 -> #1, but for the unlocking.
//
// Preconditions: writers is held, and not suspect.
//
// What a death leaves behind: #6.
func (l *RWMutex) open() {
	// SYNC: state: what the writer wrote is visible to whoever takes over from here on, and is whole.
	l.setState(rwOpen)
	for n := range l.seats.len() {
		if s := l.seats.seat(n); s.Load()&seatBarred != 0 {
			// SYNC: opened: what the writer wrote is visible to whoever gets in.
			s.And(^uint64(seatBarred))
			crashpoint.Here("rwmutex.opened")
		}
	}
	if !l.opened.Quiet() {
		l.opened.NotifyAll()
	}
}
