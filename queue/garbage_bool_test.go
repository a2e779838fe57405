package queue

import (
	"bytes"
	"context"
	"testing"
	"unsafe"
)

// A flagged has a bool at its start.
type flagged struct {
	On   bool
	Mark [7]byte
}

var marked = flagged{Mark: [7]byte([]byte("hostile"))}

// noBools overwrites the bool of each flagged in a payload with a byte that is none.
func noBools(payload []byte) {
	for {
		i := bytes.Index(payload, marked.Mark[:])
		if i < 0 {
			return
		}
		payload[i-1] = 0xff
		payload = payload[i+7:]
	}
}

func wantBool(t *testing.T, what string, v flagged, err error) {
	t.Helper()
	if b := *(*byte)(unsafe.Pointer(&v.On)); b != 1 || err != nil || v.Mark != marked.Mark {
		t.Errorf("%s: the byte of a bool is %#x, %v, %v", what, b, v, err)
	}
}

// A getter is what all queues of one taker have.
type getter interface {
	Get(ctx context.Context) (flagged, error)
	TryGet() (flagged, error)
	GetBatch(ctx context.Context, vs []flagged) (int, error)
	Peek(ctx context.Context) (Peeked[flagged], error)
	Reserve(ctx context.Context) (Reservation[flagged], error)
	PutBatch(ctx context.Context, vs []flagged) (int, error)
}

func TestBytesThatAreNoBools(t *testing.T) {
	q, s := newQueue[flagged](t, 8, Options{}), newSPSC[flagged](t, 8, Options{})
	for name, c := range map[string]struct {
		q       getter
		payload []byte
	}{"Queue": {q, q.o.Payload}, "SPSC": {s, s.o.Payload}} {
		t.Run(name, func(t *testing.T) {
			six := []flagged{marked, marked, marked, marked, marked, marked}
			if n, err := c.q.PutBatch(background, six); n != 6 || err != nil {
				t.Fatal(n, err)
			}
			noBools(c.payload)
			v, err := c.q.Get(background)
			wantBool(t, "Get", v, err)
			v, err = c.q.TryGet()
			wantBool(t, "TryGet", v, err)
			vs := make([]flagged, 3)
			if n, err := c.q.GetBatch(background, vs); n != 3 {
				t.Errorf("GetBatch: %d, %v", n, err)
			}
			for _, v := range vs {
				wantBool(t, "GetBatch", v, nil)
			}
			p, err := c.q.Peek(background)
			if err != nil {
				t.Fatal(err)
			}
			wantBool(t, "Peek", *p.Value, nil)
			if err := p.Release(); err != nil {
				t.Fatal(err)
			}
			noBools(c.payload)
			for range 8 { // all places
				r, err := c.q.Reserve(background)
				if err != nil {
					t.Fatal(err)
				}
				if b := *(*byte)(unsafe.Pointer(&r.Value.On)); b > 1 {
					t.Errorf("Reserve: the byte of a bool is %#x", b)
				}
				if err := r.Abort(); err != nil {
					t.Fatal(err)
				}
				if _, err := c.q.TryGet(); err != ErrEmpty {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestBytesThatAreNoBoolsToReaders(t *testing.T) {
	b := newBroadcast[flagged](t, 8, Options{})
	r := b.mustSubscribe(FromOldest)
	if _, err := b.PutBatch(background, []flagged{marked, marked, marked}); err != nil {
		t.Fatal(err)
	}
	noBools(b.o.Payload)
	v, err := b.Latest()
	wantBool(t, "Latest", v, err)
	v, err = r.Get(background)
	wantBool(t, "Get", v, err)
	vs := make([]flagged, 2)
	if n, err := r.GetBatch(background, vs); n != 2 {
		t.Fatal(n, err)
	}
	for _, v := range vs {
		wantBool(t, "GetBatch", v, nil)
	}
}
