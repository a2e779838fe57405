package segment

import (
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// CheckCopy is [Segment.Check] of a copy of a segment, which has all bytes up to the end of the
// heap, and which no process changes. Removed objects that no process uses are no error.
//
// Errors: [ErrFormat], [ErrCorrupt] with the first thing that is wrong.
func CheckCopy(path string, mem []byte) (r Report, err error) {
	g, id, err := decode(mem[:min(len(mem), headerBytes)], int64(len(mem)))
	if err != nil {
		return r, err
	}
	s := &Segment{path: path, mem: mem, geo: g, id: id, party: &lock.Party{Closer: wait.NewCloser()}}
	s.reach.bound.Store(g.size)
	s.table = proctab.New(mem[g.table:g.table+uint64(g.slots)*proctab.SlotBytes], nil, int64(g.table), nil)
	if err := s.checkHeap(&r); err != nil {
		return r, err
	}
	return r, s.checkDirectory(&r)
}
