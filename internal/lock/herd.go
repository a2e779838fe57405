package lock

import (
	"context"
	"sync"

	"github.com/shmkit/shmkit/internal/wait"
)

// A Herd is the goroutines of one process that wait for the same object, where what ends the wait
// of one need not end that of another. One of them, the leader, waits on the event count
// for all; the others follow it. When it leaves, all look again, and one of them leads those who stay.
//
// The gate of an [EventCount] would not do: there, one who waits for a change that is still to come could hold up
// another behind it whose change has come, and on whom the next change depends.
type Herd struct {
	event *EventCount

	mu   sync.Mutex
	led  bool
	left chan struct{} // closed when the leader leaves; nil while nobody follows
}

// NewHerd returns the herd of an event count, on which nobody waits but through the herd.
func NewHerd(event *EventCount) *Herd { return &Herd{event: event} }

// Await is [EventCount.Await], but every goroutine looks for itself: ready may be called by several at once.
//
// Preconditions:
//   - waits end in the order in which they begin, as far as ready tells. So the leader never waits
//     for something later than one who follows it and has found, since, that it is not ready.
func (h *Herd) Await(ctx context.Context, policy wait.Policy, ready func() bool, extra func(*Watch)) error {
	for {
		if ready() {
			return nil
		}
		left := h.follow()
		if left == nil {
			err := h.event.await(ctx, policy, ready, extra)
			h.leave()
			return err
		}
		if ready() { // the leader may be one who waits for something later
			return nil
		}
		select {
		case <-left: // look again
		case <-ctx.Done(): // the caller no longer waits
			return context.Cause(ctx)
		case <-h.event.party.Closer.Done(): // the segment is being closed
			return ErrClosed
		}
	}
}

// follow returns what is closed when the leader leaves; nil when there was none, and the caller leads from now on.
func (h *Herd) follow() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.led {
		h.led = true
		return nil
	}
	if h.left == nil {
		h.left = make(chan struct{})
	}
	return h.left
}

// leave ends the lead of the caller, and the wait that it has listed for all.
func (h *Herd) leave() {
	h.event.party.Waits.remove(h.event.listed)
	h.event.listed = 0
	h.mu.Lock()
	defer h.mu.Unlock()
	h.led = false
	if h.left != nil {
		close(h.left)
		h.left = nil
	}
}
