package directory

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// Version is the version of the format.
const Version = 4

const (
	magic  = 0x31_74_69_6b_6d_68_73_89 // "\x89shmkit1" as bytes
	little = 1 << 8                    // byte order, in the header's word field
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode fills the immutable part of the header at the start of mem.
func (g Geometry) Encode(mem []byte, id Identity) {
	h := HeaderIn(mem)
	h.Magic, h.Version, h.Word = magic, Version, wordBytes|little
	h.Slots, h.MaxObjects, h.EntryBytes = g.Slots, g.MaxObjects, g.EntryBytes
	h.Size, h.Identity = g.Size, id
	h.Table, h.Board, h.Buckets, h.Entries, h.Heap = g.Table, g.Board, g.Buckets, g.Entries, g.Heap
	h.Checksum = crc32.Checksum(mem[:immutableBytes-4], castagnoli)
}

// HasMagic reports whether a file that begins like that is a segment, of whatever version, byte
// order and condition.
func HasMagic(begin []byte) bool {
	if len(begin) < 8 {
		return false
	}
	m := binary.NativeEndian.Uint64(begin)
	return m == magic || m == bits.ReverseBytes64(magic)
}

// Decode checks a private copy of a header against the real size of its file.
func Decode(page []byte, fileSize int64) (Geometry, Identity, error) {
	h := HeaderIn(page)
	switch {
	case h.Magic == bits.ReverseBytes64(magic):
		return Geometry{}, Identity{}, FormatError("was made on a machine with the other byte order: remove it and make it here")
	case h.Magic != magic:
		return Geometry{}, Identity{}, FormatError("is not a shmkit segment (wrong magic number): check the path")
	case h.Version != Version:
		return Geometry{}, Identity{}, FormatError("has format version %d, this program knows version %d: use programs of one version, or remove it", h.Version, Version)
	case h.Word != wordBytes|little:
		return Geometry{}, Identity{}, FormatError("was made by a program with %d-byte words, this one has %d: use programs of one word size", h.Word&0xff, wordBytes)
	case h.Checksum != crc32.Checksum(page[:immutableBytes-4], castagnoli):
		return Geometry{}, Identity{}, FormatError("has a damaged header (bad checksum): remove it")
	case h.Size > MaxSize || int64(h.Size) > fileSize:
		return Geometry{}, Identity{}, FormatError("is truncated: %d bytes of %d are there: remove it", fileSize, h.Size)
	}
	g := Geometry{Slots: h.Slots, MaxObjects: h.MaxObjects, Size: h.Size}
	if g.Slots == 0 || g.Slots > proctab.MaxSlots || g.MaxObjects == 0 || g.MaxObjects > MaxObjects ||
		g.MaxObjects&(g.MaxObjects-1) != 0 {
		return Geometry{}, Identity{}, FormatError("has a header that makes no sense: remove it")
	}
	g.place()
	if g.Table != h.Table || g.Board != h.Board || g.Buckets != h.Buckets || g.Entries != h.Entries || g.Heap != h.Heap ||
		g.EntryBytes != h.EntryBytes || g.Size < g.Heap+minHeap {
		return Geometry{}, Identity{}, FormatError("has a header that makes no sense: remove it")
	}
	return g, h.Identity, nil
}

// BootID is the boot that the process table belongs to, zeros where that is not known.
func (h *Header) BootID() [2]uint64 { return [2]uint64{h.Boot[0].Load(), h.Boot[1].Load()} }

// SetBoot is called by one process at a time.
//
// SYNC: boot: a process that reads both halves sees that the process table was cleared.
func (h *Header) SetBoot(id [2]uint64) {
	h.Boot[0].Store(id[0])
	crashpoint.Here("boot.half")
	h.Boot[1].Store(id[1])
}
