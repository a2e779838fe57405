// Package event shows what happens in pools and processes: a worker starts, a task runs again. It
// shows nothing until it is given a handler.
package event

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/environ"
	"github.com/shmkit/shmkit/internal/logwire"
	"github.com/shmkit/shmkit/internal/notice"
)

// levelEnv is the level at which a process shows events, as the text of a [slog.Level]. Children
// inherit it.
const levelEnv = notice.LevelEnv

// destination is where this process shows events; nil: nowhere.
var destination atomic.Pointer[handler]

type handler struct {
	to    slog.Handler
	named bool // it adds the name of the process itself
}

// To has events of this process shown by h; nil shows none. A named handler adds the name of the
// process to each record itself.
func To(h slog.Handler, named bool) {
	if h == nil {
		destination.Store(nil)
		notice.To(slog.DiscardHandler)
		return
	}
	destination.Store(&handler{h, named})
	notice.To(h)
}

// ToStderr shows events from that level on, of this process and of those that it starts later, on
// standard error.
func ToStderr(level slog.Level) {
	os.Setenv(levelEnv, level.String()) // fails for no such name
	To(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}), false)
}

// Inherit does what the environment says.
//
// Errors: the environment does not name a level.
func Inherit() error {
	value := environ.Get(levelEnv)
	if value == "" || destination.Load() != nil { // not set, or the program has decided
		return nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(value)); err != nil {
		return fmt.Errorf("pool: %s=%q: %w", levelEnv, value, err)
	}
	ToStderr(level)
	return nil
}

// Enabled reports whether events of that level are shown.
func Enabled(level slog.Level) bool {
	h := destination.Load()
	return h != nil && h.to.Enabled(context.Background(), level)
}

// Show shows an event. It costs a load, and no memory, when events are not shown.
func Show(level slog.Level, msg string, attrs ...slog.Attr) {
	if h := destination.Load(); h != nil {
		h.show(level, msg, attrs)
	}
}

func (h *handler) show(level slog.Level, msg string, attrs []slog.Attr) {
	ctx := context.Background()
	if !h.to.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(time.Now(), level, msg, 0)
	if !h.named {
		r.AddAttrs(slog.String(logwire.ProcessKey, child.Current().Name))
	}
	r.AddAttrs(attrs...)
	h.to.Handle(ctx, r) // an error has no place to go to
}
