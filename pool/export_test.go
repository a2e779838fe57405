package pool

import (
	"fmt"
	"os"
	"unsafe"
)

// Leftovers says which blocks of shared memory an idle pool still has.
func Leftovers(p *Pool) error {
	p.freeUnfreed()
	if err := p.s.Reclaim(); err != nil {
		return err
	}
	r, err := p.s.Check()
	if err == nil && r.Blocks != 0 {
		err = fmt.Errorf("%d blocks are left", r.Blocks)
	}
	return err
}

// SegmentFile is the descriptor of the pool's segment.
func SegmentFile(p *Pool) *os.File { return p.seg.File() }

// LostSlots says whether an idle pool has slots that nobody has given back, or that are free twice.
func LostSlots(p *Pool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[uint32]bool{}
	for _, i := range p.free {
		seen[i] = true
	}
	if len(p.free) != len(p.slots) || len(seen) != len(p.slots) {
		return fmt.Errorf("%d slots are free, %d of them once, of %d", len(p.free), len(seen), len(p.slots))
	}
	return nil
}

// WorkersWithoutRoom is how many workers wait for room for a result.
func WorkersWithoutRoom(p *Pool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.crew.children {
		if c.record.room.Load()&roomAsks != 0 {
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
	b := p.object.Payload
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8)
}

// TableStart is where the slots begin in TableWords.
const TableStart = maxWorkers * recordBytes / 8

// SetSerials has the next attempt in each slot of an idle pool be the one after that of that number.
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
	return len(p.hungry)
}
