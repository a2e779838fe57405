package queue

import (
	"context"
	"errors"
	"fmt"
)

// late names the object in the error of a wait which ended with its context; what says for what it was.
func (h *object) late(ctx context.Context, err error, what string) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("queue: %v %q in %s: waited for %s: %w", h.o.Kind, h.o.Name, h.o.Seg.Path(), what, err)
}

// lateForRoom and lateForMessage are late for a queue with that many messages in it.
func (h *object) lateForRoom(ctx context.Context, err error, in int) error {
	return h.late(ctx, err, fmt.Sprintf("room beside %d messages, which no consumer has taken", in))
}

func (h *object) lateForMessage(ctx context.Context, err error) error {
	return h.late(ctx, err, "a message")
}
