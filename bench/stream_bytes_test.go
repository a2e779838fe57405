//go:build linux

package bench

import (
	"fmt"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

func streamBytes(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	q, err := queue.NewBytes(seg, "stream", streamSlots*lineBytes, queue.Options{})
	if err != nil {
		return nil, nil, err
	}
	if s.batch > 1 {
		return s.putByteBatches(q), s.getByteBatches(q), nil
	}
	var m line
	var b [lineBytes]byte
	put = func(n int64) error {
		for range n {
			s.next(&m)
			encode(&m, b[:])
			if err := q.Put(background, b[:]); err != nil {
				return err
			}
		}
		return nil
	}
	get = func(n int64) error {
		for range n {
			got, err := q.AppendGet(background, b[:0])
			if err != nil {
				return err
			}
			if err := s.takeBytes(&m, got); err != nil {
				return err
			}
		}
		return nil
	}
	return put, get, nil
}

// takeBytes is take for a message as it is in a Bytes. m is for its words.
func (s *stream) takeBytes(m *line, b []byte) error {
	if len(b) != lineBytes {
		return fmt.Errorf("a message has %d bytes", len(b))
	}
	decode(m, b)
	return s.take(m)
}

// buffers are places for the messages of a batch.
func (s *stream) buffers() [][]byte {
	all, bs := make([]byte, s.batch*lineBytes), make([][]byte, s.batch)
	for i := range bs {
		bs[i] = all[i*lineBytes:][:lineBytes:lineBytes]
	}
	return bs
}

func (s *stream) putByteBatches(q *queue.Bytes) func(n int64) error {
	var m line
	bs := s.buffers()
	return func(n int64) error {
		for ; n > 0; n -= int64(len(bs)) {
			for _, b := range bs {
				s.next(&m)
				encode(&m, b)
			}
			if _, err := q.PutBatch(background, bs); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *stream) getByteBatches(q *queue.Bytes) func(n int64) error {
	var m line
	bs := s.buffers()
	return func(n int64) error {
		for n > 0 {
			k, err := q.GetBatch(background, bs[:min(n, int64(len(bs)))])
			if err != nil {
				return err
			}
			for _, b := range bs[:k] {
				if err := s.takeBytes(&m, b); err != nil {
					return err
				}
			}
			n -= int64(k)
		}
		return nil
	}
}
