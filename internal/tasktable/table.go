// Package tasktable is what a pool and its workers share: the slots of tasks, the records of
// workers, and two queues of messages that name slots.
package tasktable

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A Table is what parent and workers share: the segment with the records of the
// workers, the slots of the tasks, and two queues of messages that name slots.
type Table struct {
	Seg     *shm.Segment
	Mem     *segment.Segment // the same, for blocks of arguments and results
	Object  *segment.Object  // records and slots
	Records []Record         // by number of worker
	Slots   []Slot
	Scarce  *atomic.Uint32       // see roomWord
	Counts  *Counts              // of the parent
	Sleeps  *atomic.Uint64       // how often a worker has gone to sleep for want of tasks
	Todo    *queue.Queue[uint64] // to the workers: MessageOf(slot, serial)
	Done    *queue.Queue[uint64] // to the parent: the same, or one that names no slot
	unfreed unfreed              // of the parent
}

const tableType = "(64)<B" // records and slots, which only this package reads

// MaxWorkers is how many workers a pool may ever have at once; each has a record.
const MaxWorkers = 480

// MaxSlots is how many slots a table may have.
const MaxSlots = 1 << 20

// New makes the shared part of a pool with a segment of its own. Arguments and results of memory
// bytes fit into it at once, beside the table, and hardly more.
func New(slots int, memory int64) (*Table, error) {
	rings := ringBytes(2*slots) + ringBytes(2*slots+MaxWorkers)
	rest := fixedBytes + MaxWorkers*RecordBytes + int64(slots)*slotBytes + countsBytes + rings
	memory += memory/64 + 64<<10 // for the headers of blocks
	t, err := tableOf(slots, rest+memory)
	if err != nil {
		return nil, err
	}
	room, err := t.Mem.Room()
	if err == nil && room < memory {
		t.Seg.Close()
		if t, err = tableOf(slots, rest+2*memory-room); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// fixedBytes is about what a segment has beside its objects, which New puts right.
const fixedBytes = 600 << 10

// ringBytes is how large a queue of so many messages is.
func ringBytes(messages int) int64 { return 16 << bits.Len(uint(messages-1)) }

// tableOf makes a table in a segment of so many bytes.
func tableOf(slots int, size int64) (*Table, error) {
	seg, err := shm.Anonymous(shm.Options{Size: size, Objects: 64, Processes: 1024})
	if err != nil {
		return nil, err
	}
	t := &Table{Seg: seg, Mem: segment.Of(seg)}
	t.Mem.SetLockPatience(directoryPatience)
	err = t.open(slots, func(spec segment.Spec) (*segment.Object, error) {
		o, _, err := t.Mem.New(spec)
		return o, err
	}, queue.NewQueue[uint64])
	if err != nil {
		seg.Close()
		return nil, err
	}
	return t, nil
}

// Open finds the shared part of a pool in a segment.
func Open(seg *shm.Segment, slots int) (*Table, error) {
	t := &Table{Seg: seg, Mem: segment.Of(seg)}
	return t, t.open(slots, t.Mem.Open, func(seg *shm.Segment, name string, _ int, o queue.Options) (*queue.Queue[uint64], error) {
		return queue.OpenQueue[uint64](seg, name, o)
	})
}

type openQueue func(seg *shm.Segment, name string, capacity int, o queue.Options) (*queue.Queue[uint64], error)

func (t *Table) open(slots int, object func(segment.Spec) (*segment.Object, error), open openQueue) (err error) {
	room := MaxWorkers*RecordBytes + slots*slotBytes
	size := room + roomBytes + countsBytes
	t.Object, err = object(segment.Spec{Name: "tasks", Kind: segment.KindTasks, Type: tableType, Size: int64(size)})
	if err != nil {
		return err
	}
	t.Records = recordsIn(t.Object.Payload, MaxWorkers)
	t.Slots = slotsIn(t.Object.Payload[MaxWorkers*RecordBytes:], slots)
	t.Scarce = &roomIn(t.Object.Payload[room:]).scarce
	t.Counts = countsIn(t.Object.Payload[room+roomBytes:])
	// A slot is in a queue once, and once more for each worker that died since.
	if t.Todo, err = open(t.Seg, "todo", 2*slots, queue.Options{}); err != nil {
		return err
	}
	t.Sleeps = &ring.CountersOf(t.Todo).Waits
	t.Done, err = open(t.Seg, "done", 2*slots+MaxWorkers, queue.Options{})
	return err
}

// Bytes are n bytes in shared memory: those of a block, or the first of a part of a slot.
func (t *Table) Bytes(block uint64, n int, inline []byte) ([]byte, error) {
	if block != 0 {
		return t.Mem.Bytes(block, n)
	}
	if n > len(inline) {
		return nil, fmt.Errorf("pool: %w: a slot holds %d bytes of %d", shm.ErrCorrupt, n, len(inline))
	}
	return inline[:n], nil
}

// ReportMark is the mark with which a worker gives its report to the parent. Those of results are
// lower.
func (t *Table) ReportMark(number uint32) uint32 { return uint32(len(t.Slots)) + 1 + number }

// directoryPatience is how long the parent waits for the directory of the pool's segment, which a
// worker may be stopped in. A caller then waits as it does for room: until its context ends.
const directoryPatience = 20 * time.Millisecond
