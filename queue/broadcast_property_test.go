package queue

import (
	"slices"
	"testing"

	"github.com/shmkit/shmkit/shm"
	"pgregory.net/rapid"
)

// A castModel is what a broadcast that waits should be: all messages that were put, and how far
// each reader has come.
type castModel struct {
	b       *Broadcast[uint64]
	all     []uint64
	readers []*readerModel
	closed  bool
}

const castModelReaders = 3 // that there can be

// room is how many messages can be put until the slowest reader has read.
func (m *castModel) room() int {
	least := len(m.all)
	for _, r := range m.readers {
		least = min(least, r.next)
	}
	return least + m.b.Cap() - len(m.all)
}

func (m *castModel) put(t *rapid.T) {
	v := uint64(len(m.all)) + 1000
	var want error
	switch {
	case m.closed:
		want = ErrClosed
	case m.room() == 0:
		want = ErrFull
	}
	expectErr(t, "put", m.b.TryPut(v), want)
	if want == nil {
		m.all = append(m.all, v)
	}
}

// putBatch puts what there is room for.
func (m *castModel) putBatch(t *rapid.T) {
	if m.closed || m.room() == 0 {
		return
	}
	vs := make([]uint64, rapid.IntRange(1, m.room()).Draw(t, "size"))
	for i := range vs {
		vs[i] = uint64(len(m.all)+i) + 1000
	}
	n, err := m.b.PutBatch(background, vs)
	expectErr(t, "put batch", err, nil)
	if n != len(vs) {
		t.Fatalf("put %d, want %d", n, len(vs))
	}
	m.all = append(m.all, vs...)
}

// join adds a reader, which begins with the next message or with the oldest that is kept.
func (m *castModel) join(t *rapid.T) {
	from := rapid.SampledFrom([]Start{FromNewest, FromOldest}).Draw(t, "from")
	r, err := m.b.Subscribe(from)
	if len(m.readers) == castModelReaders {
		expectErr(t, "subscribe", err, ErrTooManyReaders)
		return
	}
	expectErr(t, "subscribe", err, nil)
	kept := r.Len()
	if kept > min(m.b.Cap(), len(m.all)) || from == FromNewest && kept != 0 {
		t.Fatalf("a reader begins with %d messages of %d", kept, len(m.all))
	}
	m.readers = append(m.readers, &readerModel{r, len(m.all) - kept})
}

// reader is one of the readers; nil when there is none.
func (m *castModel) reader(t *rapid.T) *readerModel {
	if len(m.readers) == 0 {
		return nil
	}
	return rapid.SampledFrom(m.readers).Draw(t, "reader")
}

// get copies a message, or looks at it.
func (m *castModel) get(t *rapid.T) {
	r := m.reader(t)
	if r == nil {
		return
	}
	var v uint64
	var err error
	if r.next < len(m.all) && rapid.Bool().Draw(t, "look") {
		var p Peeked[uint64]
		p, err = r.r.Peek(background)
		expectErr(t, "peek", err, nil)
		v = *p.Value
		err = p.Release()
	} else {
		v, err = r.r.TryGet()
	}
	switch {
	case r.next < len(m.all):
		if err != nil || v != m.all[r.next] {
			t.Fatalf("got %d, %v, want %d", v, err, m.all[r.next])
		}
		r.next++
	case m.closed:
		expectErr(t, "get", err, ErrClosed)
	default:
		expectErr(t, "get", err, ErrEmpty)
	}
}

func (m *castModel) getBatch(t *rapid.T) {
	r := m.reader(t)
	if r == nil || r.next == len(m.all) {
		return
	}
	vs := make([]uint64, rapid.IntRange(1, m.b.Cap()).Draw(t, "size"))
	n, err := r.r.GetBatch(background, vs)
	expectErr(t, "get batch", err, nil)
	if want := m.all[r.next:min(r.next+len(vs), len(m.all))]; !slices.Equal(vs[:n], want) {
		t.Fatalf("got %v, want %v", vs[:n], want)
	}
	r.next += n
}

func (m *castModel) leave(t *rapid.T) {
	r := m.reader(t)
	if r == nil {
		return
	}
	expectErr(t, "leave", r.r.Close(), nil)
	m.readers = slices.DeleteFunc(m.readers, func(o *readerModel) bool { return o == r })
	_, err := r.r.TryGet()
	expectErr(t, "get of a reader that has left", err, ErrNotHeld)
}

func (m *castModel) check(t *rapid.T) {
	for _, r := range m.readers {
		if n := r.r.Len(); n != len(m.all)-r.next {
			t.Fatalf("Len is %d, for a reader at %d of %d", n, r.next, len(m.all))
		}
	}
	if s := m.b.Stats(); s.Put != uint64(len(m.all)) || s.Readers != len(m.readers) || s.Expelled != 0 || s.Abandoned != 0 {
		t.Fatalf("%+v, want %d messages and %d readers", s, len(m.all), len(m.readers))
	}
}

// Any sequence of operations gives each reader all messages from its subscription on, in order, and
// a put fails exactly when the slowest reader has a ring of them to read.
func TestBroadcastProperties(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	rapid.Check(t, func(t *rapid.T) {
		m := &castModel{}
		o := Options{
			Writers: rapid.SampledFrom([]Writers{One, Many}).Draw(t, "writers"),
			Readers: castModelReaders,
		}.startingAt(rapid.SampledFrom(broadcastStarts).Draw(t, "start"))
		var err error
		if m.b, err = NewBroadcast[uint64](seg, "b", rapid.SampledFrom([]int{2, 4, 16}).Draw(t, "capacity"), o); err != nil {
			t.Fatal(err)
		}
		defer seg.RemoveObject("b") // also when the check fails, and is tried again
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "Put": m.put, "Put again": m.put, "PutBatch": m.putBatch, "Subscribe": m.join,
			"Get": m.get, "Get again": m.get, "GetBatch": m.getBatch, "leave": m.leave,
			"Close": func(t *rapid.T) {
				if rapid.IntRange(0, 19).Draw(t, "now") == 0 && !m.closed {
					expectErr(t, "close", m.b.Close(), nil)
					m.closed = true
				}
			},
		})
	})
}
