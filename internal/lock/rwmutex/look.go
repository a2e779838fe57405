package rwmutex

import "github.com/shmkit/shmkit/internal/lock"

// LookAt reads a copy of a readers–writer lock: the cells of the processes that have readers
// inside. The lock that writers take is at its beginning.
func LookAt(mem []byte) (cells []uint64) {
	if len(mem) < headBytes {
		return nil
	}
	for _, w := range lock.CellsIn(mem[headBytes:], headIn(mem).high.Load()) {
		if hasReaders(w) {
			cells = append(cells, w)
		}
	}
	return cells
}

// ReadersIn is how many readers a cell counts.
func ReadersIn(cell uint64) uint64 { return cell & cellCount }
