package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A lane is a queue of numbers, as a history uses it. No operation waits.
type lane interface {
	// put puts the values in the way that belongs to kind, and returns how many it has put.
	put(values []uint64, kind int) (n int, err error)
	// get takes up to as many values.
	get(values []uint64, kind int) (n int, err error)
	tryGet() (uint64, error)
	Stats() Stats
}

// newLane makes the queue for a history, and returns the path of its segment. It begins just below
// the wrap-around of its positions.
func (r rules) newLane(t *testing.T) string {
	if !r.bytes {
		_, path := namedQueue[uint64](t, r.capacity, Options{}.startingAt(beforePositionWrap(uint64(r.capacity))))
		return path
	}
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	size := twinBytes + 16 // so many records fill the ring to the last byte
	b, err := NewBytes(seg, "q", r.capacity*size-16, Options{}.startingAt(-uint64(2*r.capacity*size)))
	wantErr(t, err, nil)
	if n := b.r.Capacity(); n != uint64(r.capacity*size) {
		t.Fatalf("the ring has %d bytes", n)
	}
	return path
}

func openLane(seg *shm.Segment) (lane, error) {
	q, err := OpenQueue[uint64](seg, "q", Options{})
	if err == nil {
		return queueLane{q}, nil
	}
	if !errors.Is(err, shm.ErrMismatch) {
		return nil, err
	}
	b, err := OpenBytes(seg, "q", Options{})
	return bytesLane{b}, err
}

type queueLane struct{ *Queue[uint64] }

func (l queueLane) tryGet() (uint64, error) { return l.TryGet() }

func (l queueLane) put(values []uint64, kind int) (n int, err error) {
	switch {
	case len(values) > 1:
		return l.PutBatch(canceled, values)
	case kind%4 == 0:
		err = l.TryPut(values[0])
	case kind%4 == 1:
		err = l.Put(canceled, values[0])
	default:
		r, e := l.Reserve(canceled)
		if err = e; err == nil {
			*r.Value = values[0]
			err = r.Commit()
		}
	}
	return oneIf(err)
}

func (l queueLane) get(values []uint64, kind int) (n int, err error) {
	switch {
	case len(values) > 1:
		return l.GetBatch(canceled, values)
	case kind%4 == 0:
		values[0], err = l.TryGet()
	case kind%4 == 1:
		values[0], err = l.Get(canceled)
	default:
		p, e := l.Peek(canceled)
		if err = e; err == nil {
			values[0] = *p.Value
			err = p.Release()
		}
	}
	return oneIf(err)
}

// oneIf is the result of an operation on one message.
func oneIf(err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// A bytesLane sends each number twice, so that a torn message shows.
type bytesLane struct{ *Bytes }

const twinBytes = 16

func appendTwin(b []byte, v uint64) []byte {
	return binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(b, v), v)
}

func ofTwin(b []byte) (uint64, error) {
	if len(b) != twinBytes || string(b[:8]) != string(b[8:]) {
		return 0, fmt.Errorf("message %x is torn", b)
	}
	return binary.NativeEndian.Uint64(b), nil
}

func (l bytesLane) tryGet() (v uint64, err error) {
	m, err := l.TryGet()
	if err != nil {
		return 0, err
	}
	return ofTwin(m)
}

func (l bytesLane) put(values []uint64, kind int) (n int, err error) {
	var ms [][]byte
	for _, v := range values {
		ms = append(ms, appendTwin(nil, v))
	}
	switch {
	case len(ms) > 1:
		return l.PutBatch(canceled, ms)
	case kind%4 == 0:
		err = l.TryPut(ms[0])
	case kind%4 == 1:
		err = l.Put(canceled, ms[0])
	default:
		r, e := l.Reserve(canceled, twinBytes)
		if err = e; err == nil {
			copy(r.Value, ms[0])
			err = r.Commit()
		}
	}
	return oneIf(err)
}

func (l bytesLane) get(values []uint64, kind int) (n int, err error) {
	ms := make([][]byte, len(values))
	n = 1
	switch {
	case len(ms) > 1:
		n, err = l.GetBatch(canceled, ms)
	case kind%4 == 0:
		ms[0], err = l.TryGet()
	case kind%4 == 1:
		ms[0], err = l.Get(canceled)
	default:
		p, e := l.Peek(canceled)
		if err = e; err == nil {
			ms[0] = append(ms[0], p.Value...)
			err = p.Release()
		}
	}
	if err != nil {
		return 0, err
	}
	for i, m := range ms[:n] {
		if values[i], err = ofTwin(m); err != nil {
			return 0, err
		}
	}
	return n, nil
}
