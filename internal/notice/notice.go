// Package notice logs once for each facility of the kernel that this process lacks. A library has
// no output of its own. So the record goes to the handler that package pool was given, if there is
// one, or to standard error, if SHMKIT_LOG in the environment asks for events at the level INFO.
package notice

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// LevelEnv is the environment variable with the lowest level of the events that a process shows, as
// the text of a [slog.Level].
const LevelEnv = "SHMKIT_LOG"

// message is the message of every record. The attributes name the facility.
const message = "the kernel refuses a facility: everything works, slower"

var told struct {
	mu      sync.Mutex
	names   []string
	pending []slog.Record // not shown yet
	to      slog.Handler  // nil: the environment decides
}

// Missing logs that the kernel refuses the facility of that name, and what this costs. Further
// calls for the same facility have no effect.
func Missing(facility, effect string) {
	if note(facility, effect) {
		show()
	}
}

// note adds a record for the facility, and reports false if there was one before.
func note(facility, effect string) bool {
	told.mu.Lock()
	defer told.mu.Unlock()
	if slices.Contains(told.names, facility) {
		return false
	}
	told.names = append(told.names, facility)
	r := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
	r.AddAttrs(slog.String("facility", facility), slog.String("effect", effect), slog.Int("pid", os.Getpid()))
	told.pending = append(told.pending, r)
	return true
}

// To sends to h all further records, and those that were not shown so far. With nil the environment
// decides again.
func To(h slog.Handler) {
	told.mu.Lock()
	told.to = h
	told.mu.Unlock()
	show()
}

// show shows the pending records if there is a handler. It does not hold the lock meanwhile,
// because the handler may use shared memory itself.
func show() {
	h, records := take()
	for _, r := range records {
		h.Handle(context.Background(), r) // there is no place to report an error to
	}
}

// take removes and returns the pending records, and returns the handler that must show them.
func take() (h slog.Handler, records []slog.Record) {
	told.mu.Lock()
	defer told.mu.Unlock()
	if h = told.to; h == nil {
		h = inherited()
	}
	if h == nil || !h.Enabled(context.Background(), slog.LevelInfo) {
		return nil, nil
	}
	records, told.pending = told.pending, nil
	return h, records
}

// inherited returns the handler that the environment asks for, or nil.
func inherited() slog.Handler {
	var level slog.Level
	if value := os.Getenv(LevelEnv); value == "" || level.UnmarshalText([]byte(value)) != nil {
		return nil
	}
	return slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})
}
