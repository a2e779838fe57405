//go:build linux

package pipe

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// trip is 64 bytes there and 64 back, for either end. One of the two begins.
func trip(c *Conn, begins bool) func() {
	b := make([]byte, 64)
	write := func() {
		_, err := c.Write(b)
		proctest.ExitOn(err)
	}
	read := func() {
		_, err := io.ReadFull(c, b)
		proctest.ExitOn(err)
	}
	if begins {
		return func() { write(); read() }
	}
	return func() { read(); write() }
}

// roleConverses is the other end of a conversation in the segment args[0].
var roleConverses = proctest.Register("pipe-converses", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	c, err := Open(seg, "p", Options{Wait: shmsync.Park})
	proctest.ExitOn(err)
	asleep.Answer(trip(c, false))
})

// A trip there and back of two processes that sleep for each other costs at most a wait and a wake
// for each message, and next to no membarriers.
func TestCallsOfAConversation(t *testing.T) {
	if !futex.Register() || !futex.HasWaitAny() {
		t.Skip("without membarrier and futex_waitv sleepers look again every few milliseconds")
	}
	path := filepath.Join(proctest.Dir(t), "segment")
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	c, err := New(seg, "p", Options{Wait: shmsync.Park})
	wantErr(t, err, nil)
	asleep.Converse(t, proctest.Start(t, roleConverses, path), trip(c, true))
}
