//go:build linux

package bench

import (
	"errors"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// streamBroadcast counts what a reader has lost: the writer does not wait for readers.
func streamBroadcast(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	q, err := queue.NewBroadcast[line](seg, "stream", streamSlots, queue.Options{WhenFull: queue.DropOldest})
	if err != nil {
		return nil, nil, err
	}
	s.toAll = true
	s.track.broadcast.Store(true)
	r, err := q.Subscribe(queue.FromOldest)
	if err != nil {
		return nil, nil, err
	}
	if s.batch > 1 {
		return s.putBroadcastBatches(q), s.getBroadcastBatches(r), nil
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
		for end := s.last[0] + uint64(n); s.last[0] < end; {
			m, err := r.Get(background)
			if s.skip(err) {
				continue
			}
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

// skip counts the messages that a reader has lost, and reports whether the error says no more than
// that. The next message is the one after them.
func (s *stream) skip(err error) bool {
	if err == nil {
		return false
	}
	var lapped *queue.LappedError // allocated
	if !errors.As(err, &lapped) {
		return false
	}
	s.last[0] += lapped.Lost
	s.track.lost.Add(int64(lapped.Lost))
	return true
}

func (s *stream) putBroadcastBatches(q *queue.Broadcast[line]) func(n int64) error {
	ms := make([]line, s.batch)
	return func(n int64) error {
		for ; n > 0; n -= int64(len(ms)) {
			for i := range ms {
				s.next(&ms[i])
			}
			if _, err := q.PutBatch(background, ms); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *stream) getBroadcastBatches(r *queue.Reader[line]) func(n int64) error {
	ms := make([]line, s.batch)
	return func(n int64) error {
		for end := s.last[0] + uint64(n); s.last[0] < end; {
			k, err := r.GetBatch(background, ms)
			if s.skip(err) {
				continue
			}
			if err != nil {
				return err
			}
			if err := s.takeAll(ms[:k]); err != nil {
				return err
			}
		}
		return nil
	}
}
