package segment

import (
	"os"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// A directory is the bytes of one segment.
type directory struct {
	path   string   // shown in errors; immutable
	mem    []byte   // the whole segment
	file   *os.File // behind mem, which has it reserve space; nil: a copy, which never grows
	geo    geometry
	table  *proctab.Table
	closer *wait.Closer // closed when this process leaves the segment
	reach  reach        // how far into the heap this process may look
}

func (d *directory) init(path string, mem []byte, g geometry) {
	d.path, d.mem, d.geo, d.closer = path, mem, g, wait.NewCloser()
	d.reach.bound.Store(g.size)
}

// tableBytes is the memory of the process table.
func (d *directory) tableBytes() []byte {
	return d.mem[d.geo.table : d.geo.table+uint64(d.geo.slots)*proctab.SlotBytes]
}

func (d *directory) hasParts(kind uint32) bool { return Kind(kind).hasParts() }
