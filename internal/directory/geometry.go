package directory

import (
	"math/bits"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	// PageBytes is what regions are aligned to.
	PageBytes = 4096
	// LineBytes is what objects and blocks are aligned to.
	LineBytes = 64

	// DefaultSize is the capacity of a segment in bytes unless another is asked for.
	DefaultSize = 64 << 20
	// DefaultProcesses is how many processes can attach unless another number is asked for.
	DefaultProcesses = 256

	// bytesPerObject gives the default number of objects of a segment.
	bytesPerObject = 4096

	// MaxSize bounds the bytes of a segment.
	MaxSize = 1 << 46
	// MaxObjects bounds the objects of a segment.
	MaxObjects = 1 << 24

	minHeap = PageBytes
)

// Geometry says where the regions of a segment are. It is what the immutable
// part of the header says, checked once.
type Geometry struct {
	Slots      uint32
	MaxObjects uint32 // power of two; also the number of buckets
	EntryBytes uint32
	Size       uint64
	Table      uint64
	Board      uint64
	Buckets    uint64
	Entries    uint64
	Heap       uint64
}

// RoundUp is the next multiple of to.
func RoundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// Plan lays out a segment for at least what is asked; zeros mean the defaults.
func Plan(size int64, objects, processes int) (Geometry, error) {
	if err := mapping.CheckProcessor(); err != nil {
		return Geometry{}, err
	}
	if size == 0 {
		size = DefaultSize
	}
	if processes == 0 {
		processes = DefaultProcesses
	}
	switch {
	case size < 0 || size > MaxSize:
		return Geometry{}, Invalid("segment size %d bytes: must be from 1 to %d", size, int64(MaxSize))
	case processes < 0 || processes > proctab.MaxSlots:
		return Geometry{}, Invalid("room for %d processes: must be from 1 to %d", processes, proctab.MaxSlots)
	case objects < 0 || objects > MaxObjects:
		return Geometry{}, Invalid("room for %d objects: must be from 1 to %d", objects, MaxObjects)
	}
	if objects == 0 {
		objects = max(int(size/bytesPerObject), 64)
		objects = min(objects, 1<<20)
	}
	g := Geometry{Slots: uint32(processes), MaxObjects: 1 << bits.Len(uint(objects-1)), Size: RoundUp(uint64(size), PageBytes)}
	g.place()
	if need := g.Heap + minHeap; g.Size < need {
		return Geometry{}, Invalid("segment size %d bytes: at least %d are needed for %d processes and %d objects",
			size, need, processes, g.MaxObjects)
	}
	return g, nil
}

// TableIn is where the process table lies in a segment.
func (g Geometry) TableIn(mem []byte) []byte {
	return mem[g.Table : g.Table+uint64(g.Slots)*proctab.SlotBytes]
}

// BoardIn is where the table of waits lies in a segment.
func (g Geometry) BoardIn(mem []byte) []byte {
	return mem[g.Board : g.Board+uint64(g.Slots)*lock.RowBytes]
}

// LockIn is where the lock of a directory lies in a segment.
func LockIn(mem []byte) []byte { return mem[lockOffset : lockOffset+lock.RegionBytes] }

// place derives the offsets from the counts.
func (g *Geometry) place() {
	g.EntryBytes = EntryBytes + uint32(RoundUp(uint64(g.Slots), LineBytes*8)/8)
	g.Table = HeaderBytes
	g.Board = RoundUp(g.Table+uint64(g.Slots)*proctab.SlotBytes, PageBytes)
	g.Buckets = RoundUp(g.Board+uint64(g.Slots)*lock.RowBytes, PageBytes)
	g.Entries = RoundUp(g.Buckets+uint64(g.MaxObjects)*4, PageBytes)
	g.Heap = RoundUp(g.Entries+uint64(g.MaxObjects)*uint64(g.EntryBytes), PageBytes)
}
