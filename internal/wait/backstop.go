package wait

import (
	"context"
	"os"
	"sync/atomic"
	"time"
)

const (
	// Backstop bounds every sleep but those of [WithLongSleep]. It is what a lost wake-up can cost.
	Backstop = time.Second

	// MaxSleep bounds the others.
	MaxSleep = 30 * time.Second

	// BackstopEnv names the environment variable that [SetBackstop] sets for the processes to come,
	// in the form of
	// [time.ParseDuration].
	BackstopEnv = "SHMKIT_BACKSTOP"
)

// replaced is what SetBackstop has put in the place of Backstop and MaxSleep; 0: both hold.
var replaced atomic.Int64

func init() {
	if d, err := time.ParseDuration(os.Getenv(BackstopEnv)); err == nil {
		replaced.Store(int64(d))
	}
}

// SetBackstop puts d in the place of [Backstop] and [MaxSleep], in this process and in those that
// it starts, until restore is called. It is for tests: under an hour, a lost wake-up is a hang,
// which no delay hides. Sleeps that have begun keep their bound.
func SetBackstop(d time.Duration) (restore func()) {
	before, env := replaced.Load(), os.Getenv(BackstopEnv)
	replaced.Store(int64(d))
	os.Setenv(BackstopEnv, d.String())
	return func() {
		replaced.Store(before)
		os.Setenv(BackstopEnv, env)
	}
}

type patientKey struct{}

// WithLongSleep returns a ctx for waits of which another process knows that they must go on: when a
// process dies that may have owed them a wake-up, or swallowed one, that process sends another.
// Their sleeps are bounded by [MaxSleep], so that a process with nothing to do stays asleep.
func WithLongSleep(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

// BackstopOf is what bounds sleeps under ctx.
func BackstopOf(ctx context.Context) time.Duration {
	if ctx.Value(patientKey{}) != nil {
		return longest()
	}
	if d := replaced.Load(); d != 0 {
		return time.Duration(d)
	}
	return Backstop
}

// longest is what bounds every sleep.
func longest() time.Duration {
	if d := replaced.Load(); d != 0 {
		return time.Duration(d)
	}
	return MaxSleep
}

var started = time.Now()

// endOf is when a sleep of that limit ends. The longest, which end for nothing, end together, once
// a backstop, and earlier than they could: sleepers that look again each at a time of its own would
// keep a process busy that has nothing to do.
func endOf(limit time.Duration) time.Time {
	end := time.Since(started) + limit
	if limit >= Backstop {
		end = end.Truncate(Backstop) // which is later than now
	}
	return started.Add(end)
}
