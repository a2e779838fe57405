// Package notice tells once of each facility of the kernel that this process has to do without. A library has no output of its
// own: what it has to say goes to the handler of package pool, or where SHMKIT_LOG in the environment asks for events at
// the level of information, to standard error, or nowhere.
package notice

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// LevelEnv is the environment variable with the level from which on a process shows events, as the text of a [slog.Level].
const LevelEnv = "SHMKIT_LOG"

// message is what every event says; its attributes say the rest.
const message = "the kernel refuses a facility: everything works, slower"

var told struct {
	mu      sync.Mutex
	names   []string
	pending []slog.Record // not shown yet
	to      slog.Handler  // nil: the environment decides
}

// Missing tells that the kernel refuses the facility of that name, and what this costs. It tells so once.
func Missing(facility, effect string) {
	if note(facility, effect) {
		show()
	}
}

// note adds what is to be told, and reports false when it was told before.
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

// To has what is told go to h from now on, and what was told and not shown until now. Nil leaves it to the environment.
func To(h slog.Handler) {
	told.mu.Lock()
	told.to = h
	told.mu.Unlock()
	show()
}

// show shows what is pending, where there is a place for it. The handler may use shared memory itself.
func show() {
	h, records := take()
	for _, r := range records {
		h.Handle(context.Background(), r) // an error has no place to go to
	}
}

// take takes what is pending, and returns the handler that is to show it.
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

// inherited is the handler that the environment asks for, or nil.
func inherited() slog.Handler {
	var level slog.Level
	if value := os.Getenv(LevelEnv); value == "" || level.UnmarshalText([]byte(value)) != nil {
		return nil
	}
	return slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})
}
