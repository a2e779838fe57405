package task

import (
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/shm"
)

// A chunk is several arguments that travel in one slot. How they lie in it depends on how they
// travel:
//
//	as they are    one after the other
//	slices         their lengths in bytes, as a table of uint32, or nilLength, then their elements; both begin at
//	               multiples of 8, so that a worker views them where they are
//	all others     each a frame: its length as a uvarint, then its bytes
//
// Results that are copied as they are come back one after the other, if none has failed. All others
// come in frames, each with a byte for its kind before it.

// A chunkForm says how the arguments of a task lie in a chunk.
type chunkForm struct {
	way  way
	size int // of an argument that is copied as it is
}

// nilLength stands for the length of a nil slice. No other has it: all of a chunk has less.
const nilLength = 1<<32 - 1

// wordBytes is what the parts of a chunk of slices are aligned to.
const wordBytes = 8

// roundUp is the next multiple of wordBytes.
func roundUp(n int) int { return (n + wordBytes - 1) &^ (wordBytes - 1) }

// A Content is what goes into a slot: bytes, or slices that are put together only there, or what a
// function makes there.
type Content struct {
	Bytes []byte
	Parts [][]byte         // if not nil
	Make  func(mem []byte) // if not nil
	Size  int              // in bytes
}

// ContentOf is what the bytes are. Nil stands for a nil slice.
func ContentOf(b []byte) Content { return Content{Bytes: b, Size: len(b)} }

// ContentOfParts is a chunk of slices.
func ContentOfParts(parts [][]byte) Content {
	c := Content{Parts: parts, Size: roundUp(4 * len(parts))}
	for _, p := range parts {
		c.Size += roundUp(len(p))
	}
	return c
}

// IsNil says that it is a nil slice.
func (c *Content) IsNil() bool { return c.Bytes == nil && c.Parts == nil && c.Make == nil }

// CopyTo puts it into memory of its size.
func (c *Content) CopyTo(mem []byte) {
	if c.Make != nil {
		c.Make(mem)
		return
	}
	if c.Parts == nil {
		copy(mem, c.Bytes)
		return
	}
	at := roundUp(4 * len(c.Parts))
	for i, p := range c.Parts {
		length := uint32(len(p))
		if p == nil {
			length = nilLength
		}
		binary.NativeEndian.PutUint32(mem[4*i:], length)
		copy(mem[at:], p)
		at += roundUp(len(p))
	}
}

// Arguments are those of a chunk that were not cut off yet.
type Arguments struct {
	form    chunkForm
	rest    []byte
	lengths []byte // of slices
}

// ArgumentsIn finds the arguments of a chunk of count.
func (f chunkForm) ArgumentsIn(b []byte, count int) (Arguments, error) {
	a := Arguments{form: f, rest: b}
	if f.way == WaySlice {
		table := roundUp(4 * count)
		if table > len(b) {
			return a, ErrChunk
		}
		a.lengths, a.rest = b[:table], b[table:]
	}
	return a, nil
}

// Next cuts off the next one.
func (a *Arguments) Next() (item []byte, err error) {
	switch a.form.way {
	case WayRaw:
		if len(a.rest) < a.form.size {
			return nil, ErrChunk
		}
		item, a.rest = a.rest[:a.form.size], a.rest[a.form.size:]
	case WaySlice:
		length := binary.NativeEndian.Uint32(a.lengths)
		if length == nilLength {
			a.lengths = a.lengths[4:]
			return nil, nil
		}
		n := int(length)
		if roundUp(n) > len(a.rest) {
			return nil, ErrChunk
		}
		item, a.rest, a.lengths = a.rest[:n:n], a.rest[roundUp(n):], a.lengths[4:]
	default:
		item, a.rest, err = CutFrame(a.rest)
	}
	return item, err
}

var ErrChunk = fmt.Errorf("pool: %w: a chunk is cut off", shm.ErrCorrupt)

func AppendFrame(b, item []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(item))), item...)
}

func appendResult(b []byte, kind uint32, item []byte) []byte {
	return AppendFrame(append(b, byte(kind)), item)
}

// CutFrame takes the first frame off b.
func CutFrame(b []byte) (item, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, ErrChunk
	}
	return b[size : size+int(n)], b[size+int(n):], nil
}

// CutResult takes the first result off b.
func CutResult(b []byte) (kind uint32, item, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, nil, fmt.Errorf("pool: %w: a chunk has too few results", shm.ErrCorrupt)
	}
	item, rest, err = CutFrame(b[1:])
	return uint32(b[0]), item, rest, err
}
