package frame

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/iotest"
)

var background = context.Background()

// A Reader gets all frames back, however the bytes are cut, and goes on after an interrupted read.
func TestReaderGoesOnAfterAnInterruption(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, nil)
	sizes := []int{0, 1, 100, MaxPayload, 5, 9000}
	for i, n := range sizes {
		h := Head{Kind: Kind(i + 2), Flags: uint8(i), Method: uint16(i * 300), Call: uint64(i) << 40, Object: 7, Incarnation: 1 << 63, Left: -int64(i)}
		if _, err := w.Send(background, Inline, &h, bytes.Repeat([]byte{byte(i)}, n)); err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range map[string]io.Reader{
		"whole": bytes.NewReader(b.Bytes()), "bytes": iotest.OneByteReader(bytes.NewReader(b.Bytes())),
		"interrupted": &interrupted{from: iotest.HalfReader(bytes.NewReader(b.Bytes()))},
	} {
		r := NewReader(from)
		for i, n := range sizes {
			h, payload, err := r.Next()
			for errors.Is(err, errInterrupted) {
				h, payload, err = r.Next()
			}
			want := Head{Length: uint32(n), Kind: Kind(i + 2), Flags: uint8(i), Method: uint16(i * 300), Call: uint64(i) << 40,
				Object: 7, Incarnation: 1 << 63, Left: -int64(i)}
			if err != nil || *h != want || bytes.Count(payload, []byte{byte(i)}) != n {
				t.Fatalf("%s: frame %d: %+v with %d bytes, error %v", name, i, h, len(payload), err)
			}
		}
		_, _, err := r.Next()
		for errors.Is(err, errInterrupted) {
			_, _, err = r.Next()
		}
		if err != io.EOF {
			t.Errorf("%s: error %v at the end", name, err)
		}
	}
}

var errInterrupted = errors.New("interrupted")

// interrupted fails every second read.
type interrupted struct {
	from  io.Reader
	reads int
}

func (r *interrupted) Read(b []byte) (int, error) {
	if r.reads++; r.reads%2 == 0 {
		return 0, errInterrupted
	}
	return r.from.Read(b)
}

func TestAssemblyBounds(t *testing.T) {
	var a Assembly
	if err := a.Add(make([]byte, 60), 100); err != nil {
		t.Fatal(err)
	}
	if err := a.Add(make([]byte, 60), 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if _, err := a.Last(make([]byte, 41), 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the whole is too large: error %v", err)
	}
	if a.Len() != 0 {
		t.Errorf("%d bytes are left", a.Len())
	}
	if _, err := a.Last(make([]byte, 101), 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a single piece is too large: error %v", err)
	}
}

// A payload in pieces lets small frames of other goroutines through.
func TestLargePayloadLetsOthersThrough(t *testing.T) {
	here, there := net.Pipe()
	w := NewWriter(here, nil)
	var sending sync.WaitGroup
	sending.Go(func() { w.Send(background, Inline, &Head{Kind: 2, Call: 1}, make([]byte, 64*MaxPayload)) })
	r := NewReader(there)
	if h, _, err := r.Next(); err != nil || h.Kind != Chunk { // now the large one is under way
		t.Fatal(h, err)
	}
	sending.Go(func() { w.Send(background, Inline, &Head{Kind: 3, Call: 2}, nil) })
	pieces, small := 1, false
	for whole := false; !whole || !small; {
		h, _, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch h.Kind {
		case 3:
			small = true
		case 2:
			whole = h.Flags&Chunked != 0
			if !small && pieces > 60 {
				t.Log("the small frame came after the large one")
			}
		default:
			pieces++
		}
	}
	sending.Wait()
	here.Close()
	there.Close()
}

func TestSendEndsWithContext(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	w := NewWriter(here, nil)
	ctx, cancel := context.WithCancelCause(background)
	own := errors.New("own cause")
	var end uint64
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		end, err = w.Send(ctx, Aside, &Head{Kind: 2}, make([]byte, 64*MaxPayload))
	}()
	cancel(own)
	<-done
	if err != own || end == 0 {
		t.Errorf("end %d, error %v", end, err)
	}
	here.Close()
}

func TestWriterTellsTheErrorOnce(t *testing.T) {
	here, there := net.Pipe()
	there.Close()
	told := make(chan error, 2)
	w := NewWriter(here, func(err error) { told <- err })
	for range 3 {
		if end, err := w.Send(background, Inline, &Head{Kind: 2}, nil); err == nil {
			if err := w.AwaitWritten(background, end); err == nil {
				t.Error("a closed connection takes bytes")
			}
		}
	}
	if err := <-told; err == nil || len(told) > 0 {
		t.Errorf("told %v and %d others", err, len(told))
	}
}

func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	w := NewWriter(&b, nil)
	w.Send(background, Inline, &Head{Kind: 2}, []byte("payload"))
	f.Add(b.Bytes())
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(iotest.HalfReader(bytes.NewReader(in)))
		read := 0
		for {
			h, payload, err := r.Next()
			if err != nil {
				break
			}
			if int(h.Length) != len(payload) {
				t.Fatalf("%d bytes, the head says %d", len(payload), h.Length)
			}
			read += HeadSize + len(payload)
		}
		if read > len(in) {
			t.Fatalf("%d bytes of %d", read, len(in))
		}
	})
}
