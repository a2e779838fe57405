package segment

import (
	"github.com/shmkit/shmkit/internal/proctab"
)

// CheckCopy is [Segment.Check] of a copy of a segment, which has all bytes up to the end of the
// heap, and which no process changes. Removed objects that no process uses are no error.
//
// Errors: [ErrFormat], [ErrCorrupt] with the first thing that is wrong.
func CheckCopy(path string, mem []byte) (r Report, err error) {
	g, _, err := decode(mem[:min(len(mem), headerBytes)], int64(len(mem)))
	if err != nil {
		return r, err
	}
	var d directory
	d.init(path, mem, g)
	d.table = proctab.New(d.tableBytes(), nil, int64(g.table), nil)
	return r, d.check(&r)
}
