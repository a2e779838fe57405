package queue

import (
	"context"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/wait"
)

// linger looks for a while, as the policy wants it, and reports whether ready did. If not, the waiter is to sleep by the
// policy that it returns.
func (s *side) linger(policy wait.Policy, other *side, ready func() bool) (wait.Policy, bool) {
	switch policy {
	case wait.Adaptive:
		return wait.Parking, s.spin(other, ready)
	case wait.Spinning:
		return policy, s.stare(other, ready)
	}
	return policy, false
}

// await waits until ready does: it lingers, and then it sleeps, which it counts.
func (s *side) await(ctx context.Context, policy wait.Policy, other *side, ready func() bool, extra func(*lock.Watch), t *tally) error {
	policy, over := s.linger(policy, other, ready)
	if over {
		return nil
	}
	t.waits.Add(1)
	return s.event.Await(ctx, policy, ready, extra)
}
