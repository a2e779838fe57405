//go:build linux

package bench

import (
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/shm"
)

// line is a message of a stream: its number, its producer, and its number again at the end.
type line = [8]uint64

const (
	lineBytes   = 64
	streamSlots = 1024
	maxSides    = 2
)

// stream is what one process knows of a stream.
type stream struct {
	*lane
	topology topology
	batch    int
	made     uint64           // messages, by this producer
	last     [maxSides]uint64 // number of the last message from each producer
	got      int64            // messages that this consumer got and has not yet reported
	sum      uint64           // of their numbers
	toAll    bool             // each consumer gets every message, or knows how many it has lost
}

// A streamer opens one process's side of a stream. It returns put for a producer, get for a
// consumer; each passes on n messages.
type streamer func(seg *shm.Segment, s *stream) (put, get func(n int64) error, err error)

func (s *stream) produces() bool { return s.number < s.topology.producers }

func (s *stream) leg(put, get func(n int64) error) leg {
	return func(n int64) (int64, error) {
		if s.produces() {
			return uncounted, put(n / int64(s.topology.producers))
		}
		if !s.toAll {
			n /= int64(s.topology.consumers)
		}
		err := get(n)
		s.track.sum.Add(s.got)
		s.track.numbers.Add(s.sum)
		s.got, s.sum = 0, 0
		return uncounted, err
	}
}

// encode writes the words of m that differ between messages.
func encode(m *line, b []byte) {
	b = b[:lineBytes]
	binary.NativeEndian.PutUint64(b, m[0])
	binary.NativeEndian.PutUint64(b[8:], m[1])
	binary.NativeEndian.PutUint64(b[56:], m[7])
}

func decode(m *line, b []byte) {
	b = b[:lineBytes]
	m[0], m[1], m[7] = binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:]), binary.NativeEndian.Uint64(b[56:])
}

func (s *stream) next(m *line) {
	s.made++
	m[0], m[1], m[7] = s.made, uint64(s.number), s.made
}

// take checks a message: from each producer they come in order, and to a consumer that is alone, or
// gets all of them, none is missing.
func (s *stream) take(m *line) error {
	number, producer := m[0], m[1]
	if producer >= uint64(s.topology.producers) || m[7] != number || number <= s.last[producer] {
		return fmt.Errorf("impossible message %v, the last ones were %v", *m, s.last)
	}
	if number != s.last[producer]+1 && (s.topology.consumers == 1 || s.toAll) {
		return fmt.Errorf("message %v is not the next one, the last ones were %v", *m, s.last)
	}
	s.last[producer] = number
	s.got++
	s.sum += number
	return nil
}

// takeAll is take for each of ms. It calls nothing for messages that are the next ones.
func (s *stream) takeAll(ms []line) error {
	last, producers := s.last, uint64(s.topology.producers)
	got, sum := s.got, s.sum
	for i := range ms {
		m := &ms[i]
		number, producer := m[0], m[1]
		if producer >= producers || m[7] != number || number != last[producer]+1 {
			s.last, s.got, s.sum = last, got, sum
			if err := s.take(m); err != nil {
				return err
			}
			last, got, sum = s.last, s.got, s.sum
			continue
		}
		last[producer] = number
		got++
		sum += number
	}
	s.last, s.got, s.sum = last, got, sum
	return nil
}

// checkStream fails unless total messages were got, or lost, each number as often as it was put.
func checkStream(tr *track, t topology, total int64) error {
	if got := tr.sum.Load() + tr.lost.Load(); got != total {
		return fmt.Errorf("%d messages were got or lost, want %d", got, total)
	}
	if tr.lost.Load() > 0 {
		return nil
	}
	each := uint64(total) / uint64(t.producers)
	if t.producers == 1 && tr.broadcast.Load() {
		each /= uint64(t.consumers)
	}
	want := each * (each + 1) / 2 * (uint64(total) / each)
	if got := tr.numbers.Load(); got != want {
		return fmt.Errorf("the numbers of the messages add up to %d, want %d", got, want)
	}
	return nil
}
