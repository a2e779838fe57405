package pool

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// A chunk is several arguments that travel in one slot. How they lie in it depends on how they travel:
//
//	as they are    one after the other
//	slices         their lengths in bytes, as a table of uint32, then their elements; both begin at multiples of 8, so
//	               that a worker views them where they are
//	all others     each a frame: its length as a uvarint, then its bytes
//
// Results that are copied as they are come back one after the other, if none has failed. All others come in
// frames, each with a byte for its kind before it.

// A chunkForm says how the arguments of a task lie in a chunk.
type chunkForm struct {
	way  way
	size int // of an argument that is copied as it is
}

// wordBytes is what the parts of a chunk of slices are aligned to.
const wordBytes = 8

// roundUp is the next multiple of wordBytes.
func roundUp(n int) int { return (n + wordBytes - 1) &^ (wordBytes - 1) }

// A content is what goes into a slot: bytes, or slices that are put together only there.
type content struct {
	bytes []byte
	parts [][]byte // if not nil
	size  int      // in bytes
}

func contentOf(b []byte) content { return content{bytes: b, size: len(b)} }

// contentOfParts is a chunk of slices.
func contentOfParts(parts [][]byte) content {
	c := content{parts: parts, size: roundUp(4 * len(parts))}
	for _, p := range parts {
		c.size += roundUp(len(p))
	}
	return c
}

// copyTo puts it into memory of its size.
func (c *content) copyTo(mem []byte) {
	if c.parts == nil {
		copy(mem, c.bytes)
		return
	}
	at := roundUp(4 * len(c.parts))
	for i, p := range c.parts {
		binary.NativeEndian.PutUint32(mem[4*i:], uint32(len(p)))
		copy(mem[at:], p)
		at += roundUp(len(p))
	}
}

// arguments are those of a chunk that were not cut off yet.
type arguments struct {
	form    chunkForm
	rest    []byte
	lengths []byte // of slices
}

// argumentsIn finds the arguments of a chunk of count.
func (f chunkForm) argumentsIn(b []byte, count int) (arguments, error) {
	a := arguments{form: f, rest: b}
	if f.way == waySlice {
		table := roundUp(4 * count)
		if table > len(b) {
			return a, errChunk
		}
		a.lengths, a.rest = b[:table], b[table:]
	}
	return a, nil
}

// next cuts off the next one.
func (a *arguments) next() (item []byte, err error) {
	switch a.form.way {
	case wayRaw:
		if len(a.rest) < a.form.size {
			return nil, errChunk
		}
		item, a.rest = a.rest[:a.form.size], a.rest[a.form.size:]
	case waySlice:
		n := int(binary.NativeEndian.Uint32(a.lengths))
		if roundUp(n) > len(a.rest) {
			return nil, errChunk
		}
		item, a.rest, a.lengths = a.rest[:n:n], a.rest[roundUp(n):], a.lengths[4:]
	default:
		item, a.rest, err = cutFrame(a.rest)
	}
	return item, err
}

var errChunk = fmt.Errorf("pool: %w: a chunk is cut off", shm.ErrCorrupt)

func appendFrame(b, item []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(item))), item...)
}

func appendResult(b []byte, kind uint32, item []byte) []byte {
	return appendFrame(append(b, byte(kind)), item)
}

// cutFrame takes the first frame off b.
func cutFrame(b []byte) (item, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errChunk
	}
	return b[size : size+int(n)], b[size+int(n):], nil
}

// cutResult takes the first result off b.
func cutResult(b []byte) (kind uint32, item, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, nil, fmt.Errorf("pool: %w: a chunk has too few results", shm.ErrCorrupt)
	}
	item, rest, err = cutFrame(b[1:])
	return uint32(b[0]), item, rest, err
}

// sizing decides how many arguments go into one slot: so many that sending them costs little
// beside running them, and so few that no worker is left with much when the others have nothing any more.
// This is guided self-scheduling (Polychronopoulos and Kuck, 1987) with a lower bound that is measured.
type sizing struct {
	fixed   int           // if not 0, what the user wants
	workers int           //
	left    int           // arguments that are not sent yet; negative: unknown
	each    time.Duration // how long one takes, as seen so far; 0: not known
}

const (
	chunkTime  = 200 * time.Microsecond // sending one costs about a four-hundredth of that
	chunkItems = 1024
	chunkBytes = 64 << 10
)

// next is how many arguments the next slot should have.
func (s *sizing) next() int {
	switch {
	case s.fixed > 0:
		return s.fixed
	case s.left < 0 || s.each == 0:
		return 1
	}
	return max(1, min(int(chunkTime/s.each), s.left/(4*s.workers), chunkItems))
}

// unknown says that the next size is a guess until a result has been seen.
func (s *sizing) unknown() bool { return s.fixed == 0 && s.left >= 0 && s.each == 0 }

// saw takes in that n of them took so long.
func (s *sizing) saw(n int, took time.Duration) {
	each := max(took/time.Duration(n), 1)
	if s.each == 0 {
		s.each = each
	}
	s.each = max((3*s.each+each)/4, 1)
}
