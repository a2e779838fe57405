package manager

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
)

// errSilent says that no sign of life came for too long.
var errSilent = errors.New("the other side has been silent for too long")

// isRemote reports whether the end of the process at the other end may go unnoticed: the kernel
// tells of it for shared memory and unix sockets.
func isRemote(conn net.Conn) bool {
	switch conn.RemoteAddr().Network() {
	case "shm", "unix":
		return false
	}
	return true
}

// keepAlive pings the other side three times in each silence, and ends the connection when nothing
// has come for that long while this side was reading. heard is when the read that is under way
// began, or 0.
func keepAlive(ctx context.Context, w *frame.Writer, silence time.Duration, heard *atomic.Int64, end func(error)) {
	tick := time.NewTicker(max(silence/3, time.Millisecond))
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		// this process was stopped, and what came waits to be read
		asleep := now.Sub(last) > 2*silence/3
		last = now
		switch at := heard.Load(); {
		case at == 0:
		case asleep:
			heard.CompareAndSwap(at, now.UnixNano())
		case now.Sub(time.Unix(0, at)) > silence:
			end(errSilent)
			return
		}
		w.Send(ctx, frame.Control, &frame.Head{Kind: kindPing}, nil)
	}
}
