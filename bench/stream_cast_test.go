//go:build linux

package bench

import (
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// streamCast is a stream to readers that subscribe before the first message.
func streamCast(o queue.Options) streamer {
	return func(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
		q, err := queue.NewBroadcast[line](seg, "stream", streamSlots, o)
		if err != nil {
			return nil, nil, err
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
		if !s.reads() {
			return put, nil, nil
		}
		r, err := q.Subscribe(queue.FromNewest)
		if err != nil {
			return nil, nil, err
		}
		get = func(n int64) error {
			for range n {
				m, err := r.Get(background)
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
}

// reads says that each message goes to all consumers, and reports whether this process is one of
// them, not a producer, and not the one that makes the objects.
func (s *stream) reads() bool {
	s.toAll = true
	s.track.broadcast.Store(true)
	return s.number != noProcess && !s.produces()
}

// streamCastBytes is streamCast through a BroadcastBytes.
func streamCastBytes(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	q, err := queue.NewBroadcastBytes(seg, "stream", streamSlots*lineBytes, queue.Options{})
	if err != nil {
		return nil, nil, err
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
	if !s.reads() {
		return put, nil, nil
	}
	r, err := q.Subscribe(queue.FromNewest)
	if err != nil {
		return nil, nil, err
	}
	get = func(n int64) error {
		for range n {
			got, err := r.AppendGet(background, b[:0])
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

// castRing is the capacity of a ring of messages of 1 MiB, in bytes.
const castRing = 4 * largeBytes

// streamCastInPlace has the writer copy each message of 1 MiB into its place, where the readers
// look at the first and the last word.
func streamCastInPlace(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error) {
	q, err := queue.NewBroadcastBytes(seg, "stream", castRing, queue.Options{})
	if err != nil {
		return nil, nil, err
	}
	message := make([]byte, largeBytes)
	put = func(n int64) error {
		for range n {
			s.made++
			writeBytes(message, s.made)
			place, err := q.Reserve(background, len(message))
			if err != nil {
				return err
			}
			copy(place.Value, message)
			if err := place.Commit(); err != nil {
				return err
			}
		}
		return nil
	}
	if !s.reads() {
		return put, nil, nil
	}
	r, err := q.Subscribe(queue.FromNewest)
	if err != nil {
		return nil, nil, err
	}
	get = func(n int64) error {
		for range n {
			look, err := r.Peek(background)
			if err != nil {
				return err
			}
			number, err := readBytes(look.Value, largeBytes)
			if err != nil {
				return err
			}
			if err := s.take(&line{0: number, 7: number}); err != nil {
				return err
			}
			if err := look.Release(); err != nil {
				return err
			}
		}
		return nil
	}
	return put, get, nil
}

// openCastCopy has one process copy messages as the writer of streamCastInPlace does, to no reader.
func openCastCopy(seg *shm.Segment, l *lane) (leg, error) {
	ring, err := shm.NewRawArray[byte](seg, "ring", castRing)
	if err != nil {
		return nil, err
	}
	places, message := ring.Slice(), make([]byte, largeBytes)
	number := uint64(0)
	return func(n int64) (int64, error) {
		for range n {
			number++
			writeBytes(message, number)
			place := places[number%(castRing/largeBytes)*largeBytes:][:largeBytes]
			copy(place, message)
			if got, err := readBytes(place, largeBytes); err != nil || got != number {
				return uncounted, err
			}
		}
		l.track.sum.Add(n)
		return uncounted, nil
	}, nil
}
