package pool

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// A table is what parent and workers share: the segment with the records of the
// workers, the slots of the tasks, and two queues of messages that name slots.
type table struct {
	seg     *shm.Segment
	s       *segment.Segment
	object  *segment.Object
	records []record
	slots   []slot
	scarce  *atomic.Uint32       // see roomWord
	todo    *queue.Queue[uint64] // to the workers: messageOf(slot, serial)
	done    *queue.Queue[uint64] // to the parent: the same, or one that names no slot
}

const tableType = "(64)<B" // records and slots, which only this package reads

// maxWorkers is how many workers a pool may ever have at once; each has a record.
const maxWorkers = 480

// newTable makes the shared part of a pool with a segment of its own. Arguments and results of memory bytes fit into it at
// once, beside the table, and hardly more.
func newTable(slots int, memory int64) (*table, error) {
	rings := ringBytes(2*slots) + ringBytes(2*slots+maxWorkers)
	rest := fixedBytes + maxWorkers*recordBytes + int64(slots)*slotBytes + rings
	memory += memory/64 + 64<<10 // for the headers of blocks
	t, err := tableOf(slots, rest+memory)
	if err != nil {
		return nil, err
	}
	room, err := t.s.Room()
	if err == nil && room < memory {
		t.seg.Close()
		if t, err = tableOf(slots, rest+2*memory-room); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// fixedBytes is about what a segment has beside its objects, which newTable puts right.
const fixedBytes = 600 << 10

// ringBytes is how large a queue of so many messages is.
func ringBytes(messages int) int64 { return 16 << bits.Len(uint(messages-1)) }

// tableOf makes a table in a segment of so many bytes.
func tableOf(slots int, size int64) (*table, error) {
	seg, err := shm.Anonymous(shm.Options{Size: size, Objects: 64, Processes: 1024})
	if err != nil {
		return nil, err
	}
	t := &table{seg: seg, s: segment.Of(seg)}
	t.s.SetLockPatience(directoryPatience)
	err = t.open(slots, func(spec segment.Spec) (*segment.Object, error) {
		o, _, err := t.s.New(spec)
		return o, err
	}, queue.NewQueue[uint64])
	if err != nil {
		seg.Close()
		return nil, err
	}
	return t, nil
}

// openTable finds the shared part of a pool in a segment.
func openTable(seg *shm.Segment, slots int) (*table, error) {
	t := &table{seg: seg, s: segment.Of(seg)}
	return t, t.open(slots, t.s.Open, func(seg *shm.Segment, name string, _ int, o queue.Options) (*queue.Queue[uint64], error) {
		return queue.OpenQueue[uint64](seg, name, o)
	})
}

type openQueue func(seg *shm.Segment, name string, capacity int, o queue.Options) (*queue.Queue[uint64], error)

func (t *table) open(slots int, object func(segment.Spec) (*segment.Object, error), ring openQueue) (err error) {
	size := maxWorkers*recordBytes + slots*slotBytes + roomBytes
	t.object, err = object(segment.Spec{Name: "tasks", Kind: segment.KindTasks, Type: tableType, Size: int64(size)})
	if err != nil {
		return err
	}
	t.records = recordsIn(t.object.Payload, maxWorkers)
	t.slots = slotsIn(t.object.Payload[maxWorkers*recordBytes:], slots)
	t.scarce = &roomIn(t.object.Payload[maxWorkers*recordBytes+slots*slotBytes:]).scarce
	// A slot is in a queue once, and once more for each worker that died since.
	if t.todo, err = ring(t.seg, "todo", 2*slots, queue.Options{}); err != nil {
		return err
	}
	t.done, err = ring(t.seg, "done", 2*slots+maxWorkers, queue.Options{})
	return err
}

// bytes are n bytes in shared memory: those of a block, or the first of a part of a slot.
func (t *table) bytes(block uint64, n int, inline []byte) ([]byte, error) {
	if block != 0 {
		return t.s.Bytes(block, n)
	}
	if n > len(inline) {
		return nil, fmt.Errorf("pool: %w: a slot holds %d bytes of %d", shm.ErrCorrupt, n, len(inline))
	}
	return inline[:n], nil
}
