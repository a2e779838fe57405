//go:build linux

package bench

import (
	"context"
	"io"
	"unsafe"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// streamers by kind and implementation.
var streamers = map[string]streamer{
	"spsc/shmkit":      streamSPSC,
	"queue/shmkit":     streamQueue,
	"bytes/shmkit":     streamBytes,
	"broadcast/shmkit": streamBroadcast,
	"pipe/shmkit":      streamPipe,
	"pipe/unix-socket": streamConn(openSocket),
	"pipe/os-pipe":     streamConn(openFIFOs),
}

var background = context.Background()

// streamSPSC calls the queue's methods directly, because a call through a variable would be a good
// part of the cost of a message.
func streamSPSC(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	q, err := queue.NewSPSC[line](seg, "stream", streamSlots, queue.Options{})
	if err != nil {
		return nil, nil, err
	}
	if s.batch > 1 {
		put, get = s.batches(q.PutBatch, q.GetBatch)
		return put, get, nil
	}
	put = func(n int64) error {
		var m line
		for range n {
			s.next(&m)
			if err := q.Put(background, m); err != nil {
				return err
			}
		}
		return nil
	}
	get = func(n int64) error {
		for range n {
			m, err := q.Get(background)
			if err != nil {
				return err
			}
			if err := s.take(&m); err != nil {
				return err
			}
		}
		return nil
	}
	return put, get, nil
}

// streamQueue calls the queue's methods directly, as streamSPSC does.
func streamQueue(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	q, err := queue.NewQueue[line](seg, "stream", streamSlots, queue.Options{})
	if err != nil {
		return nil, nil, err
	}
	if s.batch > 1 {
		put, get = s.batches(q.PutBatch, q.GetBatch)
		return put, get, nil
	}
	put = func(n int64) error {
		var m line
		for range n {
			s.next(&m)
			if err := q.Put(background, m); err != nil {
				return err
			}
		}
		return nil
	}
	get = func(n int64) error {
		for range n {
			m, err := q.Get(background)
			if err != nil {
				return err
			}
			if err := s.take(&m); err != nil {
				return err
			}
		}
		return nil
	}
	return put, get, nil
}

// batches streams by calls that pass on many messages at once.
func (s *stream) batches(putBatch, getBatch func(context.Context, []line) (int, error)) (put, get func(n int64) error) {
	ms := make([]line, s.batch)
	put = func(n int64) error {
		for ; n > 0; n -= int64(len(ms)) {
			for i := range ms {
				s.next(&ms[i])
			}
			if _, err := putBatch(background, ms); err != nil {
				return err
			}
		}
		return nil
	}
	get = func(n int64) error {
		for n > 0 {
			k, err := getBatch(background, ms[:min(n, int64(len(ms)))])
			if err != nil {
				return err
			}
			if err := s.takeAll(ms[:k]); err != nil {
				return err
			}
			n -= int64(k)
		}
		return nil
	}
	return put, get
}

func streamPipe(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	if s.number == noProcess {
		return nil, nil, nil
	}
	c, err := openPipe(seg, s.lane, shmsync.Adaptive)
	put, get = s.writes(c, c)
	return put, get, err
}

func streamConn(open opener) streamer {
	return func(_ *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
		w, r, err := open(s.lane)
		put, get = s.writes(w, r)
		return put, get, err
	}
}

// writes streams by writes of a batch, and reads of at most one.
func (s *stream) writes(w io.Writer, r io.Reader) (put, get func(n int64) error) {
	ms := make([]line, s.batch)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(ms))), s.batch*lineBytes)
	put = func(n int64) error {
		for ; n > 0; n -= int64(s.batch) {
			for i := range ms {
				s.next(&ms[i])
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	}
	get = func(n int64) error {
		for ; n > 0; n -= int64(s.batch) {
			if _, err := io.ReadFull(r, b); err != nil {
				return err
			}
			if err := s.takeAll(ms); err != nil {
				return err
			}
		}
		return nil
	}
	return put, get
}
