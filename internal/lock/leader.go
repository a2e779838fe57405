package lock

import (
	"context"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/wait"
)

// A LeaderFollower chooses one goroutine of a process, the leader, to wait in the kernel for all
// goroutines of the process that wait for the same thing; the others, the followers, wait for the
// leader. The pattern is Schmidt's (Leader/Followers, 1999). What a follower gets from its leader
// is the caller's business:
//
//   - Each follower becomes the leader in its turn: [EventCount.Await], [Mutex].
//   - The leader serves followers one by one, and tells each over a channel of its own: condition
//     variables, readers of a readers–writer lock.
//   - All followers look again when the leader leaves: [EventCount.AwaitEach].
type LeaderFollower struct {
	led  chan struct{}                 // holds one token while there is a leader
	left atomic.Pointer[chan struct{}] // closed when the leader leaves; nil: no follower has asked
}

// NewLeaderFollower returns one without a leader.
func NewLeaderFollower() *LeaderFollower { return &LeaderFollower{led: make(chan struct{}, 1)} }

// IsLed reports whether there is a leader.
func (l *LeaderFollower) IsLed() bool { return len(l.led) > 0 }

// TryLead makes the caller the leader, and reports whether it could.
func (l *LeaderFollower) TryLead() bool {
	select {
	case l.led <- struct{}{}:
		return true
	default:
		return false
	}
}

// Lead waits until the caller is the leader, until served, which may be nil, is ready, or until ctx
// ends. It reports whether the caller leads; then the caller must call [LeaderFollower.Leave].
//
// Errors: the context's error, [ErrClosed]; the caller does not lead.
func (l *LeaderFollower) Lead(ctx context.Context, closer *wait.Closer, served <-chan struct{}) (leads bool, err error) {
	if l.TryLead() {
		return true, nil
	}
	select {
	case l.led <- struct{}{}:
		return true, nil
	case <-served:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-closer.Done(): // the segment is being closed
		return false, closer.Err()
	}
}

// Left returns what is closed when a leader leaves after this call.
func (l *LeaderFollower) Left() <-chan struct{} {
	for {
		if left := l.left.Load(); left != nil {
			return *left
		}
		left := make(chan struct{})
		if l.left.CompareAndSwap(nil, &left) {
			return left
		}
	}
}

// Leave ends the lead of the caller. Another goroutine may lead before Leave returns.
func (l *LeaderFollower) Leave() {
	<-l.led
	// A follower that asks from here on finds that there is no leader, or one that came later.
	if l.left.Load() != nil {
		if left := l.left.Swap(nil); left != nil {
			close(*left)
		}
	}
}
