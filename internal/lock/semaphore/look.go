package semaphore

import "github.com/shmkit/shmkit/internal/lock"

// A State is what a copy of a semaphore says.
type State struct {
	Free       int64 // as the word says; units of the dead are not in it yet
	Units, Max int64 // how many there were at first; bound of Free, 0: none
	Undo       bool
	Cells      []uint64 // what each process has, with its id; see [lock.CellOwner]
}

// LookAt reads a copy of a semaphore, which has [Bytes] at least.
func LookAt(mem []byte) State {
	r := regionIn(mem)
	s := State{Free: r.free.Load(), Units: r.units, Max: r.max, Undo: r.undo != 0}
	if s.Undo {
		s.Cells = lock.UndoCells(mem[Bytes:])
	}
	return s
}
