package pool

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// Leftovers says which blocks of shared memory an idle pool still has.
func Leftovers(p *Pool) error {
	p.freeUnfreed()
	if err := p.table.Mem.Reclaim(); err != nil {
		return err
	}
	r, err := p.table.Mem.Check()
	if err == nil && r.Blocks != 0 {
		err = fmt.Errorf("%d blocks are left", r.Blocks)
	}
	return err
}

// SegmentFile is the descriptor of the pool's segment.
func SegmentFile(p *Pool) *os.File { return p.table.Seg.File() }

// LostSlots reports whether an idle pool has slots that were not given back, or are free twice.
func LostSlots(p *Pool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[uint32]bool{}
	for _, i := range p.free {
		seen[i] = true
	}
	if len(p.free) != len(p.table.Slots) || len(seen) != len(p.table.Slots) {
		return fmt.Errorf("%d slots are free, %d of them once, of %d", len(p.free), len(seen), len(p.table.Slots))
	}
	return nil
}

// WorkersWithoutRoom is how many workers wait for room for a result.
func WorkersWithoutRoom(p *Pool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.workers.children {
		if c.record.Room.Load()&tasktable.RoomAsks != 0 {
			n++
		}
	}
	return n
}

// CallersWithoutRoom is how many callers wait for room for an argument.
func CallersWithoutRoom(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.room.callers)
}

// TableWords are the records of the workers and the slots of the tasks, as words.
func TableWords(p *Pool) []uint64 {
	b := p.table.Object.Payload
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8)
}

// TableStart is where the slots begin in TableWords.
const TableStart = tasktable.MaxWorkers * tasktable.RecordBytes / 8

// SetSerials has the next attempt in each slot of an idle pool be the one after that of that
// number.
func SetSerials(p *Pool, serial uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.calls {
		p.calls[i].serial = serial
	}
}

// CallersWithoutSlot is how many callers wait for a slot.
func CallersWithoutSlot(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slotWaiters)
}
