package queue

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Options belong to one handle, unless they say otherwise: processes may use different ones.
type Options struct {
	// Wait says how Put and Get wait.
	Wait shmsync.WaitPolicy

	// WhenFull says what Put does when there is no room.
	WhenFull WhenFull

	// Joinable lets the consumers of a [Queue], [Bytes] or [Objects] report which messages are
	// done; see [Queue.TaskDone]. This option belongs to the queue: it is decided when the queue is
	// made, and NewQueue refuses to find a queue that was made otherwise. [OpenQueue] ignores it.
	Joinable bool

	start uint64 // first position of a new queue
}

// WhenFull says what Put, PutBatch and Reserve do when there is no room. TryPut always returns
// [ErrFull] then, and drops nothing.
type WhenFull int

const (
	// WaitForRoom waits.
	WaitForRoom WhenFull = iota
	// DropNewest drops the message that is being put, and counts it in [Stats.Dropped].
	DropNewest
	// DropOldest takes out the oldest message, drops it and counts it in [Stats.Dropped]. It waits
	// while another process copies that message. An [SPSC] cannot do this: only its consumer takes
	// messages out.
	DropOldest
)

// String names the policy.
func (f WhenFull) String() string {
	return enum(int(f), "WhenFull", "WaitForRoom", "DropNewest", "DropOldest")
}

// enum is the name of a constant of a type.
func enum(i int, typ string, names ...string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", typ, i)
	}
	return names[i]
}

// check refuses options that a kind of queue cannot have.
func (o Options) check(name string, kind segment.Kind) error {
	switch {
	case o.WhenFull < WaitForRoom || o.WhenFull > DropOldest:
		return segment.Invalid("queue: %q: there is no WhenFull %d", name, o.WhenFull)
	case kind == segment.KindBroadcast && o.WhenFull != WaitForRoom:
		return segment.Invalid("queue: %q: a Broadcast is never full: it has no WhenFull", name)
	case kind == segment.KindSPSC && o.WhenFull == DropOldest:
		return segment.Invalid("queue: %q: an SPSC cannot drop the oldest message: only its consumer takes messages out", name)
	case o.Joinable && (kind == segment.KindSPSC || kind == segment.KindBroadcast):
		return segment.Invalid("queue: %q: one of kind %v cannot be joinable: use a Queue", name, kind)
	}
	return nil
}

// whenFull is the policy for the rings.
func (o Options) whenFull() ring.WhenFull { return ring.WhenFull(o.WhenFull) }

// processes is how many processes count their tasks in a new queue.
func (o Options) processes(seg *shm.Segment) int {
	if !o.Joinable {
		return 0
	}
	return segment.Of(seg).Table().Len()
}

// withCapacity lets a mismatch of sizes speak of messages: a program asked for that many, which
// were rounded up to n.
func withCapacity(err error, asked int, n uint64, l ring.Layout) error {
	var m *shm.MismatchError
	if !errors.As(err, &m) || !m.SizeDiffers {
		return err
	}
	if have := uint64(m.Have-int64(l.Head)) / uint64(l.Stride); have&(have-1) != 0 || l.Size(have, 0) != m.Have {
		m.Difference = "its capacity, or whether it is joinable, is not what was asked for"
		return fmt.Errorf("queue: %w", m)
	}
	m.Difference = fmt.Sprintf("its capacity is %d messages, not %d", (m.Have-int64(l.Head))/int64(l.Stride), n)
	if n != uint64(asked) {
		m.Difference += fmt.Sprintf(" (%d rounded up to a power of two)", asked)
	}
	return fmt.Errorf("queue: %w", m)
}

// joinableDiffers says that a queue is joinable, or not, and that something else was asked for.
func joinableDiffers(seg *shm.Segment, name string, joinable bool) error {
	is := "it is not joinable"
	if joinable {
		is = "it is joinable"
	}
	return fmt.Errorf("queue: %w", &shm.MismatchError{Segment: segment.Of(seg).Path(), Name: name, Difference: is})
}
