package pool

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// A chunk is several arguments that travel in one slot. Each is a frame: its length as a
// uvarint, then its bytes. The results come back likewise, each with a byte for its kind before the frame.

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
		return nil, nil, fmt.Errorf("pool: %w: a chunk is cut off", shm.ErrCorrupt)
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
