package queue

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shmkit/shmkit/internal/ring"
)

// A queueModel is what a Queue should be, seen by one goroutine: a list of positions, each with a
// message, reserved, or aborted.
type queueModel struct {
	q       *Queue[uint64]
	cells   []cell // from the oldest that is in the queue on
	next    uint64
	put     uint64
	dropped uint64
	tasks   int
	closed  bool
}

type cell struct {
	value uint64
	r     *Reservation[uint64] // reserved
	void  bool                 // aborted
}

// clean takes off what the next consumer skips.
func (m *queueModel) clean() {
	for len(m.cells) > 0 && m.cells[0].void {
		m.cells = m.cells[1:]
	}
}

// Any sequence of operations does what it would do to a list.
func TestQueueProperties(t *testing.T) {
	seg := newSegment(t, bigSegment)
	rapid.Check(t, func(t *rapid.T) {
		m := &queueModel{}
		capacity := rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "capacity")
		start := rapid.SampledFrom([]uint64{0, beforeLapWrap(uint64(capacity)), beforePositionWrap(uint64(capacity))}).Draw(t, "start")
		full := rapid.SampledFrom([]WhenFull{DropNewest, DropOldest}).Draw(t, "full")
		var err error
		if m.q, err = NewQueue[uint64](seg, "q", capacity, Options{WhenFull: full, Joinable: true}.startingAt(start)); err != nil {
			t.Fatal(err)
		}
		defer seg.RemoveObject("q") // also when the check fails, and is tried again
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				s := m.q.Stats()
				if s.Put-start != m.put || s.Dropped != m.dropped || s.Abandoned != 0 || s.HighWater > uint64(capacity) {
					t.Fatalf("stats %+v, want %+v", s, m)
				}
			},
			"TryPut": m.tryPut, "Put": m.putOne, "PutBatch": m.putBatch, "Reserve": m.reserve, "end": m.end,
			"TryGet": m.tryGet, "GetBatch": m.getBatch, "Peek": m.peek, "TaskDone": m.taskDone,
			"Close": func(t *rapid.T) {
				if rapid.IntRange(0, 19).Draw(t, "now") == 0 {
					m.closed = true
					m.expect(t, m.q.Close(), nil)
				}
			},
		})
		for _, c := range m.cells {
			if c.r != nil {
				c.r.Abort()
			}
		}
	})
}

func (m *queueModel) expect(t *rapid.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v; %+v", err, want, m)
	}
}

// putError is what a put that does not wait returns. With a place reserved at the oldest position
// it would have to wait for it.
func (m *queueModel) putError() error {
	if len(m.cells) == m.q.Cap() {
		m.clean() // so does the put
	}
	switch {
	case m.closed:
		return ErrClosed
	case len(m.cells) == m.q.Cap():
		return ErrFull
	}
	return nil
}

func (m *queueModel) waits() bool {
	return len(m.cells) == m.q.Cap() && m.cells[0].r != nil && m.q.full == ring.DropOldest && !m.closed
}

// took notes a put that the queue may have had to make room for.
func (m *queueModel) took(c cell) {
	m.cells = append(m.cells, c)
	m.put++
}

func (m *queueModel) tryPut(t *rapid.T) {
	m.next++
	want := m.putError()
	m.expect(t, m.q.TryPut(m.next), want)
	if want == nil {
		m.took(cell{value: m.next})
	}
}

// room does what the queue does when it is full, and reports whether a put goes on.
func (m *queueModel) room() bool {
	if m.putError() != ErrFull {
		return true
	}
	m.dropped++
	if m.q.full == ring.DropOldest {
		m.cells = m.cells[1:]
	}
	return m.q.full == ring.DropOldest
}

func (m *queueModel) putOne(t *rapid.T) {
	if m.putError(); m.waits() {
		return
	}
	m.next++
	goes := m.room()
	want := m.putError()
	if !goes {
		want = nil
	}
	m.expect(t, m.q.Put(background, m.next), want)
	if goes && want == nil {
		m.took(cell{value: m.next})
	}
}

func (m *queueModel) putBatch(t *rapid.T) {
	for _, c := range m.cells {
		if c.r != nil || c.void {
			return
		}
	}
	vs := make([]uint64, rapid.IntRange(0, 10).Draw(t, "n"))
	for i := range vs {
		m.next++
		vs[i] = m.next
	}
	n, err := m.q.PutBatch(background, vs)
	if m.closed && len(vs) > 0 {
		m.expect(t, err, ErrClosed)
		return
	}
	m.expect(t, err, nil)
	want := 0
	for ; want < len(vs) && m.room(); want++ {
		m.took(cell{value: vs[want]})
	}
	if n != want {
		t.Fatalf("put %d, want %d", n, want)
	}
	m.dropped += uint64(max(len(vs)-want-1, 0))
}

func (m *queueModel) reserve(t *rapid.T) {
	if m.putError(); m.waits() {
		return
	}
	goes := m.room()
	want := m.putError()
	if !goes {
		want = ErrFull
	}
	r, err := m.q.Reserve(background)
	m.expect(t, err, want)
	if err == nil {
		m.took(cell{r: &r})
	}
}

// end commits or aborts one of the reservations.
func (m *queueModel) end(t *rapid.T) {
	var open []int
	for i, c := range m.cells {
		if c.r != nil {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return
	}
	c := &m.cells[rapid.SampledFrom(open).Draw(t, "which")]
	if rapid.Bool().Draw(t, "commit") {
		m.next++
		*c.r.Value, c.value = m.next, m.next
		m.expect(t, c.r.Commit(), nil)
	} else {
		c.void = true
		m.expect(t, c.r.Abort(), nil)
	}
	m.expect(t, c.r.Commit(), ErrNotHeld)
	c.r = nil
}

// getError is what a get must return.
func (m *queueModel) getError() error {
	m.clean()
	switch {
	case len(m.cells) == 0 && m.closed:
		return ErrClosed
	case len(m.cells) == 0 || m.cells[0].r != nil:
		return ErrEmpty
	}
	return nil
}

func (m *queueModel) tryGet(t *rapid.T) {
	want := m.getError()
	v, err := m.q.TryGet()
	m.expect(t, err, want)
	if err == nil {
		m.got(t, v)
	}
}

func (m *queueModel) got(t *rapid.T, vs ...uint64) {
	for _, v := range vs {
		m.clean()
		if v != m.cells[0].value {
			t.Fatalf("got %v, want %+v", vs, m.cells)
		}
		m.cells = m.cells[1:]
		m.tasks++
	}
}

func (m *queueModel) getBatch(t *rapid.T) {
	want := m.getError()
	if want == ErrEmpty {
		return // it would wait
	}
	vs := make([]uint64, rapid.IntRange(1, 10).Draw(t, "n"))
	n, err := m.q.GetBatch(background, vs)
	m.expect(t, err, want)
	m.got(t, vs[:n]...)
	if n < len(vs) && m.getError() == nil && !slices.ContainsFunc(m.cells, func(c cell) bool { return c.r != nil }) {
		t.Fatalf("got %d of %d, and %+v is left", n, len(vs), m.cells)
	}
}

func (m *queueModel) peek(t *rapid.T) {
	want := m.getError()
	if want == ErrEmpty {
		return // it would wait
	}
	p, err := m.q.Peek(background)
	m.expect(t, err, want)
	if err == nil {
		v := *p.Value
		m.expect(t, p.Release(), nil)
		m.expect(t, p.Release(), ErrNotHeld)
		m.got(t, v)
	}
}

func (m *queueModel) taskDone(t *rapid.T) {
	want := error(nil)
	if m.tasks == 0 {
		want = ErrNotHeld
	} else {
		m.tasks--
	}
	m.expect(t, m.q.TaskDone(), want)
	if m.tasks == 0 && m.getError() != nil && len(m.cells) == 0 {
		m.expect(t, m.q.Join(background), nil)
	}
}

// expectErr is wantErr for a property.
func expectErr(t *rapid.T, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}
