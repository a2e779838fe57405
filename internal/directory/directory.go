package directory

import (
	"encoding/hex"
	"os"

	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// An Identity tells segments apart, wherever they are. It is random.
type Identity [16]byte

func (id Identity) String() string { return hex.EncodeToString(id[:]) }

// A Directory is the bytes of one segment, as this process has them. All methods that change
// something, and those that say so, need the segment's lock.
type Directory struct {
	path     string   // shown in errors; immutable
	mem      []byte   // the whole segment
	file     *os.File // behind mem, which reserves space; nil: mem is a copy that never grows
	geo      Geometry
	table    *proctab.Table
	hasParts func(kind uint32) bool // may objects of that kind have parts?

	// Closer is closed when this process leaves the segment: from then on mem may be memory of this
	// process's own.
	Closer *wait.Closer

	reach reach // how far into the heap this process may look
}

// Init makes d the directory in mem, a segment of that geometry with that table of processes. The
// file reserves space; it is nil for a copy that no process changes. Kinds are numbers to the
// directory: hasParts tells it which of them may have parts. Init comes before all other use.
func (d *Directory) Init(path string, mem []byte, g Geometry, f *os.File, table *proctab.Table, hasParts func(kind uint32) bool) {
	d.path, d.mem, d.geo, d.file, d.table, d.hasParts = path, mem, g, f, table, hasParts
	d.Closer = wait.NewCloser()
	d.reach.bound.Store(g.Size)
}

// Header is the first page of the segment.
func (d *Directory) Header() *Header { return HeaderIn(d.mem) }

// HeapEnd is the offset up to which the heap is reserved: no load below it fails. It never shrinks
// until Cut.
func (d *Directory) HeapEnd() uint64 {
	end := d.geo.Heap + min(HeaderIn(d.mem).HeapReal.Load(), d.geo.Size-d.geo.Heap)
	return d.reach.within(end)
}

// Cut keeps all later looks at the heap within what was looked at before, which ends at the offset
// that it returns.
func (d *Directory) Cut() uint64 { return d.reach.cut() }
