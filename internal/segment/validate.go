package segment

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/shmkit/shmkit/internal/proctab"
)

const (
	magic   = 0x31_74_69_6b_6d_68_73_89 // "\x89shmkit1" as bytes
	version = 4
	little  = 1 << 8 // byte order, in the header's word field
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode fills the immutable part of the header at the start of mem.
func (g geometry) encode(mem []byte, id Identity) {
	h := headerIn(mem)
	h.magic, h.version, h.word = magic, version, wordBytes|little
	h.slots, h.maxObjects, h.entryBytes = g.slots, g.maxObjects, g.entryBytes
	h.size, h.identity = g.size, id
	h.table, h.board, h.buckets, h.entries, h.heap = g.table, g.board, g.buckets, g.entries, g.heap
	h.checksum = crc32.Checksum(mem[:immutableBytes-4], castagnoli)
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

// decode checks a private copy of a header against the real size of its file.
func decode(page []byte, fileSize int64) (geometry, Identity, error) {
	h := headerIn(page)
	switch {
	case h.magic == bits.ReverseBytes64(magic):
		return geometry{}, Identity{}, formatError("was made on a machine with the other byte order: remove it and make it here")
	case h.magic != magic:
		return geometry{}, Identity{}, formatError("is not a shmkit segment (wrong magic number): check the path")
	case h.version != version:
		return geometry{}, Identity{}, formatError("has format version %d, this program knows version %d: use programs of one version, or remove it", h.version, version)
	case h.word != wordBytes|little:
		return geometry{}, Identity{}, formatError("was made by a program with %d-byte words, this one has %d: use programs of one word size", h.word&0xff, wordBytes)
	case h.checksum != crc32.Checksum(page[:immutableBytes-4], castagnoli):
		return geometry{}, Identity{}, formatError("has a damaged header (bad checksum): remove it")
	case h.size > maxSize || int64(h.size) > fileSize:
		return geometry{}, Identity{}, formatError("is truncated: %d bytes of %d are there: remove it", fileSize, h.size)
	}
	g := geometry{slots: h.slots, maxObjects: h.maxObjects, size: h.size}
	if g.slots == 0 || g.slots > proctab.MaxSlots || g.maxObjects == 0 || g.maxObjects > maxObjects ||
		g.maxObjects&(g.maxObjects-1) != 0 {
		return geometry{}, Identity{}, formatError("has a header that makes no sense: remove it")
	}
	g.place()
	if g.table != h.table || g.board != h.board || g.buckets != h.buckets || g.entries != h.entries || g.heap != h.heap ||
		g.entryBytes != h.entryBytes || g.size < g.heap+minHeap {
		return geometry{}, Identity{}, formatError("has a header that makes no sense: remove it")
	}
	return g, h.identity, nil
}
