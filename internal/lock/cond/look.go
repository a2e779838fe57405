package cond

import "github.com/shmkit/shmkit/internal/lock"

// LookAt reads a copy of a condition variable: what the cells of the processes count, with their
// owners, and how many broadcasts there were.
func LookAt(mem []byte, slots int) (cells []uint64, broadcasts uint32) {
	if len(mem) < Bytes(slots) {
		return nil, 0
	}
	h := headIn(mem)
	return lock.CellsIn(mem[headBytes:headBytes+lock.ProcSlotsBytes(slots)], h.high.Load()), h.broadcasts.Load()
}

// Waiting is how many waiters a cell counts.
func Waiting(cell uint64) uint64 { return waitingIn(cell) }
