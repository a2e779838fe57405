package wait

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Clock is how errors show a time of day.
const Clock = "15:04:05.000"

// A LateError is the error of a context that ended a wait, with when the wait began.
type LateError struct {
	Since time.Time
	Err   error // of the context
}

func (e *LateError) Error() string { return fmt.Sprintf("since %s: %v", e.Since.Format(Clock), e.Err) }

// Unwrap makes [errors.Is] find the error of the context.
func (e *LateError) Unwrap() error { return e.Err }

// Start is when a wait under ctx begins. It is zero for one that cannot end by its context, which
// needs no time, and for one that does not begin, as ctx has ended.
func Start(ctx context.Context) time.Time {
	if ctx.Done() == nil || ctx.Err() != nil {
		return time.Time{}
	}
	return time.Now()
}

// Late returns err as a [*LateError] when it is that of ctx, and otherwise as it is.
func Late(ctx context.Context, err error, began time.Time) error {
	if err == nil || began.IsZero() || ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return &LateError{began, err}
}
