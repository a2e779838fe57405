package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A broadcastModel is what a Broadcast should be: all messages that were ever put, and how far each
// reader has come.
type broadcastModel struct {
	b        *Broadcast[uint64]
	all      []uint64 // the position of a message that was reserved and aborted is not in it
	readers  []*readerModel
	reserved *Reservation[uint64]
	closed   bool
}

type readerModel struct {
	r    *Reader[uint64]
	next int // in all
}

// oldest is the first message that is kept; a place that is being written has cost one.
func (m *broadcastModel) oldest() int { return max(0, len(m.all)-m.b.Cap()+1) }

func (m *broadcastModel) putError() error {
	switch {
	case m.closed:
		return ErrClosed
	case m.reserved != nil:
		return ErrReserved
	}
	return nil
}

func (m *broadcastModel) put(t *rapid.T) {
	v := uint64(len(m.all)) + 1000
	want := m.putError()
	expectErr(t, "put", m.b.Put(background, v), want)
	if want == nil {
		m.all = append(m.all, v)
	}
}

func (m *broadcastModel) putBatch(t *rapid.T) {
	vs := make([]uint64, rapid.IntRange(0, 2*m.b.Cap()).Draw(t, "size"))
	for i := range vs {
		vs[i] = uint64(len(m.all)+i) + 1000
	}
	want, done := m.putError(), len(vs)
	if want != nil {
		done = 0
	}
	if len(vs) == 0 {
		want = nil
	}
	n, err := m.b.PutBatch(background, vs)
	expectErr(t, "put batch", err, want)
	if n != done {
		t.Fatalf("put %d, want %d", n, done)
	}
	m.all = append(m.all, vs[:n]...)
}

func (m *broadcastModel) reserve(t *rapid.T) {
	want := m.putError()
	res, err := m.b.Reserve(background)
	expectErr(t, "reserve", err, want)
	if err == nil {
		m.reserved = &res
	}
}

func (m *broadcastModel) end(t *rapid.T) {
	if m.reserved == nil {
		return
	}
	if rapid.Bool().Draw(t, "commit") {
		v := uint64(len(m.all)) + 1000
		*m.reserved.Value = v
		expectErr(t, "commit", m.reserved.Commit(), nil)
		m.all = append(m.all, v)
	} else {
		expectErr(t, "abort", m.reserved.Abort(), nil)
	}
	expectErr(t, "commit", m.reserved.Commit(), ErrNotHeld)
	m.reserved = nil
}

func (m *broadcastModel) join(t *rapid.T) {
	r := &readerModel{m.b.mustSubscribe(FromNewest), len(m.all)}
	if rapid.Bool().Draw(t, "oldest") {
		r = &readerModel{m.b.mustSubscribe(FromOldest), m.oldest()}
	}
	m.readers = append(m.readers, r)
}

// get reads a message. One that has been overwritten, or may be at any moment, may be there or not.
func (m *broadcastModel) get(t *rapid.T) {
	if len(m.readers) == 0 {
		return
	}
	r := rapid.SampledFrom(m.readers).Draw(t, "reader")
	v, err := r.r.TryGet()
	var lapped *LappedError
	switch {
	case errors.As(err, &lapped):
		if r.next >= m.oldest() || lapped.Lost != uint64(m.oldest()-r.next) {
			t.Fatalf("%v: read up to %d of %d", err, r.next, len(m.all))
		}
		r.next = m.oldest()
	case r.next < len(m.all):
		if expectErr(t, "get", err, nil); v != m.all[r.next] || r.next < m.oldest()-1 {
			t.Fatalf("got %d, want message %d of %d", v, r.next, len(m.all))
		}
		r.next++
	case m.closed && m.reserved == nil:
		expectErr(t, "get", err, ErrClosed)
	case !m.closed:
		expectErr(t, "get", err, ErrEmpty)
	}
}

// getBatch reads some messages. What is asked of the first is asked of it by get, too.
func (m *broadcastModel) getBatch(t *rapid.T) {
	if len(m.readers) == 0 {
		return
	}
	r := rapid.SampledFrom(m.readers).Draw(t, "reader")
	if r.next < m.oldest() || r.next == len(m.all) {
		return
	}
	vs := make([]uint64, rapid.IntRange(1, 2*m.b.Cap()).Draw(t, "size"))
	n, err := r.r.GetBatch(canceled, vs)
	expectErr(t, "get batch", err, nil)
	if n != min(len(vs), len(m.all)-r.next) || !slices.Equal(vs[:n], m.all[r.next:r.next+n]) {
		t.Fatalf("got %v, want them from message %d of %d", vs[:n], r.next, len(m.all))
	}
	r.next += n
}

// length looks at how many messages a reader is told that there are.
func (m *broadcastModel) length(t *rapid.T, r *readerModel) {
	n, there, kept := r.r.Len(), len(m.all)-r.next, len(m.all)-m.oldest()
	switch {
	case r.next >= m.oldest() && n == there:
	case r.next == m.oldest()-1 && n == there: // not overwritten yet
	case r.next < m.oldest() && n == kept:
	default:
		t.Fatalf("Len is %d, for a reader at %d of %d", n, r.next, len(m.all))
	}
}

// check looks at what can be looked at any time.
func (m *broadcastModel) check(t *rapid.T) {
	v, err := m.b.Latest()
	switch n := len(m.all); {
	case n == 0:
		expectErr(t, "latest", err, ErrEmpty)
	case err != nil || v != m.all[n-1]:
		t.Fatalf("the latest is %d, %v, want %d", v, err, m.all[n-1])
	}
	for _, r := range m.readers {
		m.length(t, r)
	}
	if s := m.b.Stats(); s.Put != uint64(len(m.all)) || s.Abandoned != 0 || s.Bytes != 8*s.Put {
		t.Fatalf("%+v, want %d", s, len(m.all))
	}
}

// Any sequence of operations shows each reader the messages in order, but for those that it is told
// it has lost.
func TestOverwritingProperties(t *testing.T) {
	seg := newSegment(t, bigSegment)
	rapid.Check(t, func(t *rapid.T) {
		m := &broadcastModel{}
		capacity := rapid.SampledFrom([]int{1, 2, 4, 16}).Draw(t, "capacity")
		start := rapid.SampledFrom(broadcastStarts).Draw(t, "start")
		var err error
		if m.b, err = NewBroadcast[uint64](seg, "b", capacity, overwriting.startingAt(start)); err != nil {
			t.Fatal(err)
		}
		defer seg.RemoveObject("b") // also when the check fails, and is tried again
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "Put": m.put, "Put again": m.put, "Reserve": m.reserve, "end": m.end, "Reader": m.join, "Get": m.get, "Get again": m.get,
			"PutBatch": m.putBatch, "GetBatch": m.getBatch,
			"Close": func(t *rapid.T) {
				if rapid.IntRange(0, 19).Draw(t, "now") == 0 {
					expectErr(t, "close", m.b.Close(), nil)
					m.closed = true
				}
			},
		})
	})
}

// FuzzBroadcast overwrites words of a Broadcast between operations on it.
func FuzzBroadcast(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 128, 8, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		b := newBroadcast[int64](t, 4, overwriting)
		b.Put(background, 1)
		r := b.mustSubscribe(FromOldest)
		for ; len(script) >= 9; script = script[9:] {
			off := 8 + int(script[0])*8%(len(b.o.Payload)-8)
			binary.NativeEndian.PutUint64(b.o.Payload[off:], binary.LittleEndian.Uint64(script[1:]))
			_, get := r.TryGet()
			_, latest := b.Latest()
			_, batch := b.PutBatch(background, make([]int64, 3))
			vs := make([]int64, 3)
			n, gets := r.GetBatch(canceled, vs)
			if length := r.Len(); length < 0 || length > 4 || n < 0 || n > 3 {
				t.Fatalf("%d messages, %d read", length, n)
			}
			if errors.Is(gets, context.Canceled) {
				gets = nil
			}
			for _, err := range []error{get, latest, batch, gets, b.Put(background, 2)} {
				if !acceptable(err) && !errors.Is(err, ErrLapped) && !errors.Is(err, ErrRoleTaken) {
					t.Fatal(err)
				}
			}
			r = b.mustSubscribe(Start(script[0] % 2))
		}
	})
}
