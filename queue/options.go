package queue

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/ring/cast"
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

	// Writers says which processes may put into a broadcast. Like the next three it belongs to the
	// broadcast, as its WhenFull does: New refuses to find one that was made otherwise, and Open
	// ignores it. The other kinds of queue have none of these options, nor has a [Broadcast] with
	// [DropOldest].
	Writers Writers

	// Readers is how many readers a broadcast can have at once, at most 1024; 0: 64. Each takes 136
	// bytes.
	Readers int

	// Patience is how long a put waits for a reader that does not read on. Then the reader is
	// expelled. The time runs only while a put waits for that reader. 0: without limit.
	Patience time.Duration

	// Keep is how many messages, or bytes, a broadcast keeps for readers that begin with
	// [FromOldest], whichever readers have read them; less than Cap. Without it they begin with the
	// oldest message that has not been overwritten yet, which may be none.
	Keep int

	// EndWithWriter has readers that this handle subscribes get [ErrWriterDied] when they have read
	// all messages of a writer that is dead, instead of waiting for the next one. It is for a
	// broadcast with [One] writer, and does nothing with [Many]: others may write there.
	EndWithWriter bool

	start uint64 // first position of a new queue
}

// Writers says which processes may put into a broadcast.
type Writers int

const (
	// One process at a time is the writer: the first that puts, until it dies or closes the
	// segment.
	One Writers = iota
	// Many processes may put, and all their goroutines. They take turns, under a lock that outlives
	// its owner.
	Many
)

// String names the writers.
func (w Writers) String() string { return enum(int(w), "Writers", "One", "Many") }

// WhenFull says what Put, PutBatch and Reserve do when there is no room. TryPut always returns
// [ErrFull] then, and drops nothing.
type WhenFull int

const (
	// WaitForRoom waits: in a broadcast for the slowest reader.
	WaitForRoom WhenFull = iota
	// DropNewest drops the message that is being put, and counts it in [Stats.Dropped].
	DropNewest
	// DropOldest takes out the oldest message, drops it and counts it in [Stats.Dropped]. It waits
	// while another process copies that message. An [SPSC] cannot do this: only its consumer takes
	// messages out. A [Broadcast] overwrites the oldest message; the others that broadcast cannot.
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

// broadcasts are the kinds that wait for readers.
var broadcasts = []segment.Kind{segment.KindWaitingBroadcast, segment.KindBroadcastBytes, segment.KindBroadcastObjects}

// check refuses options that a kind of queue cannot have.
func (o Options) check(name string, kind segment.Kind) error {
	broadcast := slices.Contains(broadcasts, kind)
	switch {
	case o.WhenFull < WaitForRoom || o.WhenFull > DropOldest:
		return segment.Invalid("queue: %q: there is no WhenFull %d", name, o.WhenFull)
	case kind == segment.KindSPSC && o.WhenFull == DropOldest:
		return segment.Invalid("queue: %q: an SPSC cannot drop the oldest message: only its consumer takes messages out", name)
	case o.Joinable && (kind == segment.KindSPSC || broadcast):
		return segment.Invalid("queue: %q: one of kind %v cannot be joinable: use a Queue", name, kind)
	case !broadcast && o.casts():
		return segment.Invalid("queue: %q: one of kind %v has no Writers, Readers, Patience, Keep and EndWithWriter: use a Broadcast", name, kind)
	case !broadcast:
		return nil
	case o.WhenFull == DropOldest && kind != segment.KindWaitingBroadcast:
		return segment.Invalid("queue: %q: one of kind %v cannot drop the oldest message: use a Broadcast", name, kind)
	case o.WhenFull == DropOldest && o.casts():
		return segment.Invalid("queue: %q: a Broadcast with DropOldest has one writer, which waits for no reader: "+
			"it has no Writers, Readers, Patience, Keep and EndWithWriter", name)
	}
	return o.checkCast(name)
}

// casts reports whether one of the options is there that only broadcasts have.
func (o Options) casts() bool {
	return o.Writers != One || o.Readers != 0 || o.Patience != 0 || o.Keep != 0 || o.EndWithWriter
}

// checkCast refuses options that no broadcast can have.
func (o Options) checkCast(name string) error {
	switch {
	case o.Writers != One && o.Writers != Many:
		return segment.Invalid("queue: %q: there are no Writers %d", name, o.Writers)
	case o.Readers < 0 || o.Readers > cast.MaxReaders:
		return segment.Invalid("queue: %q: Readers %d: must be from 1 to %d, or 0", name, o.Readers, cast.MaxReaders)
	case o.Patience < 0:
		return segment.Invalid("queue: %q: Patience %v: must not be negative", name, o.Patience)
	case o.Keep < 0:
		return segment.Invalid("queue: %q: Keep %d: must not be negative", name, o.Keep)
	}
	return nil
}

// checkKeep refuses to keep more than a broadcast of that capacity can.
func (o Options) checkKeep(name string, capacity uint64) error {
	if uint64(o.Keep) >= capacity {
		return segment.Invalid("queue: %q: Keep %d: must be less than the capacity, which is %d", name, o.Keep, capacity)
	}
	return nil
}

// defaultReaders is how many readers a broadcast can have where the options do not say.
const defaultReaders = 64

// traits are the options that belong to a broadcast.
func (o Options) traits() cast.Traits {
	t := cast.Traits{Full: o.whenFull(), Many: o.Writers == Many, Readers: o.Readers, Patience: o.Patience, Keep: uint64(o.Keep)}
	if t.Readers == 0 {
		t.Readers = defaultReaders
	}
	return t
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
