package pool

import (
	"os"
	"unsafe"

	"github.com/shmkit/shmkit/internal/tasktable"
)

// Leftovers says which blocks of shared memory an idle pool still has.
func Leftovers(p *Pool) error { return p.core.Leftovers() }

// SegmentFile is the descriptor of the pool's segment.
func SegmentFile(p *Pool) *os.File { return p.core.Table().Seg.File() }

// LostSlots reports whether an idle pool has slots that were not given back, or are free twice.
func LostSlots(p *Pool) error { return p.core.LostSlots() }

// WorkersWithoutRoom is how many workers wait for room for a result.
func WorkersWithoutRoom(p *Pool) int { return p.core.Lacking().Workers }

// CallersWithoutRoom is how many callers wait for room for an argument.
func CallersWithoutRoom(p *Pool) int { return p.core.Lacking().Callers }

// CallersWithoutSlot is how many callers wait for a slot.
func CallersWithoutSlot(p *Pool) int { return p.core.Lacking().Slots }

// TableWords are the records of the workers and the slots of the tasks, as words.
func TableWords(p *Pool) []uint64 {
	b := p.core.Table().Object.Payload
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8)
}

// TableStart is where the slots begin in TableWords.
const TableStart = tasktable.MaxWorkers * tasktable.RecordBytes / 8

// SetSerials has the next attempt in each slot of an idle pool be the one after that of that
// number.
func SetSerials(p *Pool, serial uint32) { p.core.SetSerials(serial) }
