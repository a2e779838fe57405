package segment

import (
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/proctab"
)

// CheckCopy is [Segment.Check] of a copy of a segment, which has all bytes up to the end of the
// heap, and which no process changes. Removed objects that no process uses are no error.
//
// Errors: [ErrFormat], [ErrCorrupt] with the first thing that is wrong.
func CheckCopy(path string, mem []byte) (r directory.Report, err error) {
	g, _, err := directory.Decode(mem[:min(len(mem), directory.HeaderBytes)], int64(len(mem)))
	if err != nil {
		return r, err
	}
	var d directory.Directory
	d.Init(path, mem, g, nil, proctab.New(g.TableIn(mem), nil, int64(g.Table), nil), mayHaveParts)
	return r, d.Check(&r)
}
