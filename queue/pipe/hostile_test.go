package pipe

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// acceptableOfPipe reports whether an operation on a pipe with overwritten memory may return
// err.
func acceptableOfPipe(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, os.ErrDeadlineExceeded, shm.ErrCorrupt, net.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return err == nil
}

// useEnds does each operation at both ends; none may fault, fail in an unknown way, or last.
func useEnds(t *testing.T, ends ...*Conn) {
	t.Helper()
	b := make([]byte, 100)
	for _, c := range ends {
		//clock: with such words it may wait for ever
		c.SetDeadline(time.Now().Add(500 * time.Microsecond))
		for range 2 {
			n, err := c.Write(b)
			if !acceptableOfPipe(err) || n < 0 || n > len(b) {
				t.Fatal(n, err)
			}
			n, err = c.Read(b)
			if !acceptableOfPipe(err) || n < 0 || n > len(b) {
				t.Fatal(n, err)
			}
		}
		if _, err := c.WriteTo(io.Discard); !acceptableOfPipe(err) {
			t.Fatal(err)
		}
	}
}

// Every word of a pipe gets every odd value, before its ends are used and after.
func TestPipeHostileWords(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	me := uint64(segment.Of(seg).Me())
	words := []uint64{0, 1, 3, 63, 64, 65, 1<<30 - 1, 1 << 30, 1 << 31, 3<<30 | 5, 1<<32 - 1, 1 << 32, me, me << 32, me | 1<<30, math.MaxUint64,
		math.MaxUint64 - 64, 0x5555555555555555}
	for _, off := range []int{8, 64, 72, 80, 96, 128, 136, 256, 384, 512, 520, 640, 768} {
		for i, word := range words {
			a, err := New(seg, "p", Options{Buffer: 64})
			wantErr(t, err, nil)
			b, err := Open(seg, "p", Options{})
			wantErr(t, err, nil)
			if i%2 == 0 {
				useEnds(t, a, b)
			}
			binary.NativeEndian.PutUint64(a.p.o.Payload[off:], word)
			useEnds(t, a, b)
			wantErr(t, a.Close(), nil)
			wantErr(t, b.Close(), nil)
			wantErr(t, seg.RemoveObject("p"), nil)
		}
	}
}

// Words that make no sense are found out.
func TestPipeNonsenseIsCorrupt(t *testing.T) {
	a, b := newPair(t, Options{Buffer: 64})
	binary.NativeEndian.PutUint64(a.p.o.Payload[128:], 65) // the tail of the stream that a writes
	_, err := b.Read(make([]byte, 1))
	wantErr(t, err, shm.ErrCorrupt)
	binary.NativeEndian.PutUint64(a.p.o.Payload[256:], 1) // what b has freed
	_, err = a.Write(make([]byte, 100))
	wantErr(t, err, shm.ErrCorrupt)
}

// A size that does not fit the capacity is found when an end is taken.
func TestPipeHostileCapacity(t *testing.T) {
	for _, capacity := range []uint64{0, 1, 63, 65, 128, 1 << 31, 1 << 63, math.MaxUint64} {
		seg := newSegment(t, shm.Options{})
		a, err := New(seg, "p", Options{Buffer: 64})
		wantErr(t, err, nil)
		binary.NativeEndian.PutUint64(a.p.o.Payload, capacity)
		again, err := shm.FromFile(seg.File()) // another attachment looks afresh
		wantErr(t, err, nil)
		_, err = Open(again, "p", Options{})
		wantErr(t, err, shm.ErrCorrupt)
		useEnds(t, a)
		again.Close()
		a.Close()
	}
}

// FuzzPipe overwrites bytes of a pipe between operations on it.
func FuzzPipe(f *testing.F) {
	f.Add(uint8(0), []byte{128, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(1), []byte("\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x08\x00\x00\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, start uint8, script []byte) {
		a, b := newPair(t, Options{Buffer: 64, start: -uint64(start)})
		for range min(len(script)/10, 10) {
			off := int(binary.LittleEndian.Uint16(script)) % (headBytes - 7)
			copy(a.p.o.Payload[off:off+8], script[2:10])
			script = script[10:]
			useEnds(t, a, b)
		}
		a.Close()
		b.Close()
	})
}
