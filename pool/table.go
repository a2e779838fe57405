package pool

import (
	"fmt"

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
	todo    *queue.Queue[uint64] // to the workers: messageOf(slot, serial)
	done    *queue.Queue[uint64] // to the parent: the same, or one that names no slot
}

const tableType = "(64)<B" // records and slots, which only this package reads

// maxWorkers is how many workers a pool may ever have at once; each has a record.
const maxWorkers = 480

// newTable makes the shared part of a pool with a segment of its own.
func newTable(slots int, size int64) (*table, error) {
	seg, err := shm.Anonymous(shm.Options{Size: size, Objects: 64, Processes: 1024})
	if err != nil {
		return nil, err
	}
	t := &table{seg: seg, s: seg.Internal()}
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
	t := &table{seg: seg, s: seg.Internal()}
	return t, t.open(slots, t.s.Open, func(seg *shm.Segment, name string, _ int, o queue.Options) (*queue.Queue[uint64], error) {
		return queue.OpenQueue[uint64](seg, name, o)
	})
}

type openQueue func(seg *shm.Segment, name string, capacity int, o queue.Options) (*queue.Queue[uint64], error)

func (t *table) open(slots int, object func(segment.Spec) (*segment.Object, error), ring openQueue) (err error) {
	size := maxWorkers*recordBytes + slots*slotBytes
	t.object, err = object(segment.Spec{Name: "tasks", Kind: segment.KindTasks, Type: tableType, Size: int64(size)})
	if err != nil {
		return err
	}
	t.records = recordsIn(t.object.Payload, maxWorkers)
	t.slots = slotsIn(t.object.Payload[maxWorkers*recordBytes:], slots)
	// A slot is in a queue once, and once more for each worker that died since.
	if t.todo, err = ring(t.seg, "todo", 2*slots, queue.Options{}); err != nil {
		return err
	}
	t.done, err = ring(t.seg, "done", 2*slots+maxWorkers, queue.Options{})
	return err
}

// input is the argument of the task in slot i.
func (t *table) input(i uint32) ([]byte, error) {
	sl := &t.slots[i]
	return t.bytes(sl.arg, sl.argLen, sl.args[:])
}

// output is the result of the task in slot i.
func (t *table) output(i uint32) ([]byte, error) {
	sl := &t.slots[i]
	return t.bytes(sl.result, sl.resultLen, sl.results[:])
}

func (t *table) bytes(block uint64, n uint32, inline []byte) ([]byte, error) {
	if block != 0 {
		return t.s.Bytes(block, int(n))
	}
	if int(n) > len(inline) {
		return nil, fmt.Errorf("pool: %w: a slot holds %d bytes of %d", shm.ErrCorrupt, n, len(inline))
	}
	return inline[:n], nil
}

// hold puts b where a slot can name it: into inline when it fits, else into a
// block of this process.
func (t *table) hold(b, inline []byte) (block uint64, n uint32, err error) {
	if len(b) <= len(inline) {
		copy(inline, b)
		return 0, uint32(len(b)), nil
	}
	if int64(len(b)) > 1<<32-1 {
		return 0, 0, fmt.Errorf("pool: %d bytes are too many for one argument or result: pass a handle of an Array", len(b))
	}
	block, mem, err := t.s.AllocDirty(len(b))
	if err != nil {
		return 0, 0, fmt.Errorf("pool: room for %d bytes: %w (Options.Memory gives more)", len(b), err)
	}
	copy(mem, b)
	return block, uint32(len(b)), nil
}
