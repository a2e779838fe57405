package wait

import (
	"context"
	"time"
)

const (
	// Backstop bounds every sleep but those of [Patient]. It is what a lost wake-up can cost.
	Backstop = time.Second

	// Longest bounds the others.
	Longest = 30 * time.Second
)

type patientKey struct{}

// Patient returns a ctx for waits of which somebody else knows that they must go on: when a process dies that may have owed them a
// wake-up, or swallowed one, he sends another. Their sleeps are bounded by [Longest], so that a process with nothing to do stays asleep.
func Patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, Longest)
}

// BackstopOf is what bounds sleeps under ctx.
func BackstopOf(ctx context.Context) time.Duration {
	if d, ok := ctx.Value(patientKey{}).(time.Duration); ok {
		return d
	}
	return Backstop
}

var started = time.Now()

// endOf is when a sleep of that limit ends. The longest, which end for nothing, end together, once a backstop, and earlier than they
// could: sleepers that look again each at a time of its own would keep a process busy that has nothing to do.
func endOf(limit time.Duration) time.Time {
	end := time.Since(started) + limit
	if limit >= Backstop {
		end = end.Truncate(Backstop) // which is later than now
	}
	return started.Add(end)
}
