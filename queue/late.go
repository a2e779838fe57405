package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/proctab"
)

// late names the object in the error of a wait that ended with its context. What says what the wait
// was for; holder is the process that keeps it up, if there is one, and does is what that process
// does.
func (h *object) late(ctx context.Context, err error, what string, holder proctab.Owner, does string) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	if holder != 0 {
		if process, ok := h.o.Seg.Table().Info(holder); ok {
			what = fmt.Sprintf("%s; %v %s", what, process, does)
		}
	}
	return fmt.Errorf("queue: %v %q in %s: waited for %s: %w", h.o.Kind, h.o.Name, h.o.Seg.Path(), what, err)
}

// lateForRoom is late for a put into a queue that holds that many messages.
func (h *object) lateForRoom(ctx context.Context, err error, in int, holder proctab.Owner, does string) error {
	return h.late(ctx, err, fmt.Sprintf("room beside %d messages, which no consumer has taken", in), holder, does)
}

// lateForMessage is late for a get.
func (h *object) lateForMessage(ctx context.Context, err error, holder proctab.Owner, does string) error {
	return h.late(ctx, err, "a message", holder, does)
}
