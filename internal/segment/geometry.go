package segment

import (
	"math/bits"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	pageBytes = 4096
	lineBytes = 64 // objects and blocks are aligned to it

	// DefaultSize is the capacity of a segment in bytes unless another is asked for.
	DefaultSize = 64 << 20
	// DefaultProcesses is how many processes can attach unless another number is asked for.
	DefaultProcesses = 256

	// bytesPerObject gives the default number of objects of a segment.
	bytesPerObject = 4096

	maxSize    = 1 << 46
	maxObjects = 1 << 24
	minHeap    = pageBytes
)

// geometry says where the regions of a segment are. It is what the immutable
// part of the header says, checked once.
type geometry struct {
	slots      uint32
	maxObjects uint32 // power of two; also the number of buckets
	entryBytes uint32
	size       uint64
	table      uint64
	board      uint64
	buckets    uint64
	entries    uint64
	heap       uint64
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// plan lays out a segment for at least what is asked; zeros mean the defaults.
func plan(size int64, objects, processes int) (geometry, error) {
	if err := mapping.CheckProcessor(); err != nil {
		return geometry{}, err
	}
	if size == 0 {
		size = DefaultSize
	}
	if processes == 0 {
		processes = DefaultProcesses
	}
	switch {
	case size < 0 || size > maxSize:
		return geometry{}, Invalid("segment size %d bytes: must be from 1 to %d", size, int64(maxSize))
	case processes < 0 || processes > proctab.MaxSlots:
		return geometry{}, Invalid("room for %d processes: must be from 1 to %d", processes, proctab.MaxSlots)
	case objects < 0 || objects > maxObjects:
		return geometry{}, Invalid("room for %d objects: must be from 1 to %d", objects, maxObjects)
	}
	if objects == 0 {
		objects = max(int(size/bytesPerObject), 64)
		objects = min(objects, 1<<20)
	}
	g := geometry{slots: uint32(processes), maxObjects: 1 << bits.Len(uint(objects-1)), size: roundUp(uint64(size), pageBytes)}
	g.place()
	if need := g.heap + minHeap; g.size < need {
		return geometry{}, Invalid("segment size %d bytes: at least %d are needed for %d processes and %d objects",
			size, need, processes, g.maxObjects)
	}
	return g, nil
}

// place derives the offsets from the counts.
func (g *geometry) place() {
	g.entryBytes = entryStructBytes + uint32(roundUp(uint64(g.slots), lineBytes*8)/8)
	g.table = headerBytes
	g.board = roundUp(g.table+uint64(g.slots)*proctab.SlotBytes, pageBytes)
	g.buckets = roundUp(g.board+uint64(g.slots)*lock.RowBytes, pageBytes)
	g.entries = roundUp(g.buckets+uint64(g.maxObjects)*4, pageBytes)
	g.heap = roundUp(g.entries+uint64(g.maxObjects)*uint64(g.entryBytes), pageBytes)
}
