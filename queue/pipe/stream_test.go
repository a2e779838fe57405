package pipe

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
)

// Bytes come out as they went in, whatever the sizes of the pieces, both ways at once.
func TestPipeStreams(t *testing.T) {
	size := 4 << 20
	if testing.Short() {
		size = 1 << 20
	}
	for name, o := range map[string]Options{
		"small": {Buffer: 100}, "position wraps": {Buffer: 1000, start: math.MaxUint64 - 3000}, "default": {start: -uint64(size / 2)},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t, o)
			var all sync.WaitGroup
			for i, ends := range [][2]*Conn{{a, b}, {b, a}} {
				text := make([]byte, size)
				random := rand.New(rand.NewPCG(uint64(i), 2))
				for i := range text {
					text[i] = byte(random.Uint32())
				}
				all.Go(func() {
					writeInPieces(t, ends[0], text, rand.New(rand.NewPCG(1, uint64(i))))
					if err := ends[0].CloseWrite(); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() {
					got, err := readInPieces(ends[1], rand.New(rand.NewPCG(2, uint64(i))))
					if err != nil || !bytes.Equal(got, text) {
						t.Errorf("%d of %d bytes, %v; the same: %t", len(got), len(text), err, bytes.Equal(got, text))
					}
				})
			}
			all.Wait()
		})
	}
}

func writeInPieces(t *testing.T, w io.Writer, text []byte, random *rand.Rand) {
	for len(text) > 0 {
		n := min(1+random.IntN(1<<random.IntN(18)), len(text))
		if k, err := w.Write(text[:n]); k != n || err != nil {
			t.Error(k, err)
			return
		}
		text = text[n:]
	}
}

func readInPieces(r io.Reader, random *rand.Rand) (all []byte, err error) {
	b := make([]byte, 1<<17)
	for {
		n, err := r.Read(b[:1+random.IntN(1<<random.IntN(17))])
		all = append(all, b[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// WriteTo and ReadFrom carry everything, and are what io.Copy uses.
func TestPipeCopies(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcde"), 50000)
	a, b := newPair(t, Options{Buffer: 10000})
	c, d := newPair(t, Options{Buffer: 3000})
	var all sync.WaitGroup
	all.Go(func() {
		n, err := io.Copy(a, iotest.OneByteReader(bytes.NewReader(text[:100])))
		if n != 100 || err != nil {
			t.Error(n, err)
		}
		if n, err := a.ReadFrom(bytes.NewReader(text[100:])); n != int64(len(text)-100) || err != nil {
			t.Error(n, err)
		}
		a.Close()
	})
	all.Go(func() {
		if n, err := b.WriteTo(c); n != int64(len(text)) || err != nil {
			t.Error(n, err)
		}
		c.Close()
	})
	var got bytes.Buffer
	if n, err := io.Copy(&got, d); n != int64(len(text)) || err != nil || !bytes.Equal(got.Bytes(), text) {
		t.Error(n, err)
	}
	all.Wait()
}

// What goes wrong at the other side of a copy is reported, and loses no byte that was not handed
// over.
func TestPipeCopyErrors(t *testing.T) {
	a, b := newPair(t, Options{})
	broken := errors.New("broken")
	if n, err := a.ReadFrom(io.MultiReader(bytes.NewReader([]byte("abc")), iotest.ErrReader(broken))); n != 3 || err != broken {
		t.Error(n, err)
	}
	for name, c := range map[string]struct {
		w    writerFunc
		n    int64
		want error
	}{
		"fails":      {func([]byte) (int, error) { return 0, broken }, 0, broken},
		"impossible": {func(b []byte) (int, error) { return len(b) + 1, nil }, 0, errWriter},
		"short":      {func([]byte) (int, error) { return 1, nil }, 1, io.ErrShortWrite},
	} {
		if n, err := b.WriteTo(c.w); n != c.n || err != c.want {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	rest := make([]byte, 10)
	if n, err := b.Read(rest); err != nil || string(rest[:n]) != "bc" {
		t.Errorf("%q %v", rest[:n], err)
	}
	b.Close()
	if n, err := a.ReadFrom(bytes.NewReader([]byte("abc"))); n != 3 || !errors.Is(err, syscall.EPIPE) {
		t.Error(n, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
