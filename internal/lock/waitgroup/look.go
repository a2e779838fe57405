package waitgroup

import "github.com/shmkit/shmkit/internal/lock"

// LookAt reads a copy of a wait group, which has [Bytes] at least: its count, how often that has
// become 0, and what each process has added and not done where units belong to processes.
func LookAt(mem []byte) (count, rounds uint64, undo bool, cells []uint64) {
	r := regionIn(mem)
	w := r.word.Load()
	if undo = r.undo != 0; undo {
		cells = lock.UndoCells(mem[Bytes:])
	}
	return w & groupCountMask, w / groupGeneration, undo, cells
}
