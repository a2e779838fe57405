package queue

import (
	"errors"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/shm"
	"pgregory.net/rapid"
)

// An spscModel is what an SPSC should be: a slice.
type spscModel struct {
	q        *SPSC[uint64]
	seg      *shm.Segment
	want     []uint64
	next     uint64
	dropped  uint64
	put      uint64
	closed   bool
	reserved *Reservation[uint64]
	peeked   *Peeked[uint64]
	saw      uint64 // the value of the one that is looked at
}

func (m *spscModel) value() uint64 { m.next++; return m.next }

// putError is what a put must return; room says for how many messages there is room.
func (m *spscModel) putError() (room int, want error) {
	room = m.q.Cap() - len(m.want)
	switch {
	case m.reserved != nil:
		return 0, ErrReserved
	case m.closed:
		return 0, ErrClosed
	case room == 0:
		return 0, ErrFull
	}
	return room, nil
}

// Any sequence of operations does what it would do to a slice.
func TestSPSCProperties(t *testing.T) {
	seg := newSegment(t, bigSegment)
	rapid.Check(t, func(t *rapid.T) {
		m := &spscModel{seg: seg}
		capacity := rapid.SampledFrom([]int{1, 2, 8, 64}).Draw(t, "capacity")
		start := rapid.SampledFrom([]uint64{0, ^uint64(0) - 3}).Draw(t, "start")
		var err error
		if m.q, err = NewSPSC[uint64](seg, "q", capacity, Options{WhenFull: DropNewest}.startingAt(start)); err != nil {
			t.Fatal(err)
		}
		defer seg.RemoveObject("q") // also when the check fails, and is tried again
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				s := m.q.Stats()
				if m.q.Len() != len(m.want) || s.Put-start != m.put || s.Got-start != m.put-uint64(len(m.want)) ||
					s.Dropped != m.dropped || s.Abandoned != 0 || s.HighWater > uint64(m.q.Cap()) {
					t.Fatalf("length %d and stats %+v, want %+v", m.q.Len(), s, m)
				}
			},
			"TryPut": m.tryPut, "Put": m.putOne, "PutBatch": m.putBatch, "Reserve": m.reserve, "Commit": m.commit, "Abort": m.abort,
			"TryGet": m.tryGet, "GetBatch": m.getBatch, "Peek": m.peek, "Release": m.release,
			"Close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "now") == 0 {
					m.closed = true
					m.expect(t, m.q.Close(), nil)
				}
			},
			"another handle": func(t *rapid.T) {
				q, err := OpenSPSC[uint64](m.seg, "q", Options{WhenFull: DropNewest})
				m.expect(t, err, nil)
				m.q = q
			},
		})
	})
}

func (m *spscModel) expect(t *rapid.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func (m *spscModel) took(vs ...uint64) { m.want, m.put = append(m.want, vs...), m.put+uint64(len(vs)) }

func (m *spscModel) tryPut(t *rapid.T) {
	v := m.value()
	_, want := m.putError()
	m.expect(t, m.q.TryPut(v), want)
	if want == nil {
		m.took(v)
	}
}

func (m *spscModel) putOne(t *rapid.T) {
	v := m.value()
	_, want := m.putError()
	switch want {
	case nil:
		m.took(v)
	case ErrFull:
		m.dropped++
		want = nil
	}
	m.expect(t, m.q.Put(background, v), want)
}

func (m *spscModel) putBatch(t *rapid.T) {
	vs := make([]uint64, rapid.IntRange(0, 10).Draw(t, "n"))
	for i := range vs {
		vs[i] = m.value()
	}
	room, want := m.putError()
	n, err := m.q.PutBatch(background, vs)
	if len(vs) == 0 || want == ErrFull {
		want = nil
	}
	m.expect(t, err, want)
	if n != min(room, len(vs)) {
		t.Fatalf("put %d of %d in %d", n, len(vs), room)
	}
	m.took(vs[:n]...)
	if err == nil {
		m.dropped += uint64(len(vs) - n)
	}
}

func (m *spscModel) reserve(t *rapid.T) {
	_, want := m.putError()
	r, err := m.q.Reserve(background)
	m.expect(t, err, want)
	if want == ErrFull {
		m.dropped++
	}
	if err == nil {
		m.reserved = &r
	}
}

func (m *spscModel) commit(t *rapid.T) {
	if m.reserved == nil {
		return
	}
	v := m.value()
	*m.reserved.Value = v
	m.expect(t, m.reserved.Commit(), nil)
	m.expect(t, m.reserved.Commit(), ErrNotHeld)
	m.reserved = nil
	m.took(v)
}

func (m *spscModel) abort(t *rapid.T) {
	if m.reserved == nil {
		return
	}
	m.expect(t, m.reserved.Abort(), nil)
	m.expect(t, m.reserved.Abort(), ErrNotHeld)
	m.reserved = nil
}

// getError is what a get must return.
func (m *spscModel) getError() error {
	switch {
	case len(m.want) > 0:
		return nil
	case m.closed && m.reserved == nil:
		return ErrClosed
	}
	return ErrEmpty
}

func (m *spscModel) tryGet(t *rapid.T) {
	v, err := m.q.TryGet()
	m.expect(t, err, m.getError())
	if err == nil {
		if v != m.want[0] {
			t.Fatalf("got %d, want %d", v, m.want[0])
		}
		m.want = m.want[1:]
	}
}

func (m *spscModel) getBatch(t *rapid.T) {
	vs := make([]uint64, rapid.IntRange(1, 10).Draw(t, "n"))
	if m.getError() == ErrEmpty {
		return // it would wait
	}
	n, err := m.q.GetBatch(background, vs)
	m.expect(t, err, m.getError())
	if n != min(len(vs), len(m.want)) || !slices.Equal(vs[:n], m.want[:n]) {
		t.Fatalf("got %v, want %v", vs[:n], m.want)
	}
	m.want = m.want[n:]
}

func (m *spscModel) peek(t *rapid.T) {
	if m.getError() == ErrEmpty {
		return // it would wait
	}
	p, err := m.q.Peek(background)
	m.expect(t, err, m.getError())
	if err == nil {
		if *p.Value != m.want[0] {
			t.Fatalf("sees %d, want %d", *p.Value, m.want[0])
		}
		m.peeked, m.saw = &p, *p.Value
	}
}

func (m *spscModel) release(t *rapid.T) {
	if m.peeked == nil {
		return
	}
	p := m.peeked
	m.peeked = nil
	if len(m.want) == 0 || m.saw != m.want[0] {
		m.expect(t, p.Release(), ErrNotHeld) // a Get has taken it
		return
	}
	m.expect(t, p.Release(), nil)
	m.want = m.want[1:]
}
