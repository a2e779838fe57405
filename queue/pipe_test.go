package queue

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/net/nettest"
)

// newPair makes a pipe with both ends in this process.
func newPair(t testing.TB, o PipeOptions) (a, b *Pipe) {
	t.Helper()
	a, b, err := PipePair(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// TestConn has the tests that every net.Conn must pass run on pipes of all kinds.
func TestPipeIsAConn(t *testing.T) {
	for name, o := range map[string]PipeOptions{
		"default": {}, "small": {Buffer: 1}, "parking": {Wait: policies["park"]},
		"wraps": {Buffer: 4096, start: math.MaxUint64 - 5000},
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b, err := PipePair(o)
				if err != nil {
					return nil, nil, nil, err
				}
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

// Bytes come out as they went in, whatever the sizes of the pieces, both ways at once.
func TestPipeStreams(t *testing.T) {
	size := 4 << 20
	if testing.Short() {
		size = 1 << 20
	}
	for name, o := range map[string]PipeOptions{
		"small": {Buffer: 100}, "position wraps": {Buffer: 1000, start: math.MaxUint64 - 3000}, "default": {start: -uint64(size / 2)},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t, o)
			var all sync.WaitGroup
			for i, ends := range [][2]*Pipe{{a, b}, {b, a}} {
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
	a, b := newPair(t, PipeOptions{Buffer: 10000})
	c, d := newPair(t, PipeOptions{Buffer: 3000})
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

// What goes wrong at the other side of a copy is reported, and loses no byte that was not handed over.
func TestPipeCopyErrors(t *testing.T) {
	a, b := newPair(t, PipeOptions{})
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

// An end is taken once.
func TestPipeEnds(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := OpenPipe(seg, "p", PipeOptions{})
	wantErr(t, err, os.ErrNotExist)
	a, err := NewPipe(seg, "p", PipeOptions{Buffer: 100})
	wantErr(t, err, nil)
	_, err = NewPipe(seg, "p", PipeOptions{})
	wantErr(t, err, ErrRoleTaken)
	if n, err := a.Write([]byte("early")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	b, err := OpenPipe(seg, "p", PipeOptions{})
	wantErr(t, err, nil)
	_, err = OpenPipe(seg, "p", PipeOptions{})
	wantErr(t, err, ErrRoleTaken)
	got := make([]byte, 10)
	if n, err := b.Read(got); string(got[:n]) != "early" || err != nil {
		t.Fatal(n, err)
	}
	if a.LocalAddr().String() != b.RemoteAddr().String() || a.LocalAddr().String() == b.LocalAddr().String() || a.LocalAddr().Network() != "shm" {
		t.Error(a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	wantErr(t, a.Close(), nil)
	wantErr(t, b.Close(), nil)
	for _, open := range []func(*shm.Segment, string, PipeOptions) (*Pipe, error){NewPipe, OpenPipe} {
		_, err = open(seg, "p", PipeOptions{})
		wantErr(t, err, ErrRoleTaken)
	}
	wantErr(t, seg.RemoveObject("p"), nil)
	a, err = NewPipe(seg, "p", PipeOptions{})
	wantErr(t, err, nil)
	a.Close()
}

func TestPipeBadInput(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, n := range []int{-1, maxPipeBuffer + 1} {
		_, err := NewPipe(seg, "p", PipeOptions{Buffer: n})
		wantErr(t, err, os.ErrInvalid)
	}
	_, err := NewPipe(seg, "", PipeOptions{})
	wantErr(t, err, os.ErrInvalid)
	_, err = NewPipe(seg, "p", PipeOptions{Buffer: maxPipeBuffer})
	var full *shm.NoSpaceError
	if !errors.As(err, &full) {
		t.Error(err)
	}
	if _, err := NewQueue[int64](seg, "q", 1, Options{}); err != nil {
		t.Fatal(err)
	}
	_, err = OpenPipe(seg, "q", PipeOptions{})
	wantErr(t, err, shm.ErrMismatch)
	_, err = NewPipe(seg, "q", PipeOptions{})
	wantErr(t, err, shm.ErrMismatch)
}

// The other end goes where its description goes.
func TestPipeMarshal(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	a, err := NewPipe(seg, "p", PipeOptions{})
	wantErr(t, err, nil)
	text, err := a.MarshalBinary()
	wantErr(t, err, nil)
	var b, third Pipe
	wantErr(t, b.UnmarshalBinary(text), nil)
	wantErr(t, third.UnmarshalBinary(text), ErrRoleTaken)
	wantErr(t, third.UnmarshalBinary(nil), shm.ErrFormat)
	wantErr(t, third.UnmarshalBinary([]byte{1, 2, 3, 7}), shm.ErrFormat)
	if b.UnmarshalBinary(text) == nil {
		t.Error("unmarshalled twice")
	}
	if _, err := third.MarshalBinary(); err == nil {
		t.Error("a pipe of nothing was marshalled")
	}
	if n, err := a.Write([]byte("hello")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(&b, got); err != nil || string(got) != "hello" {
		t.Error(err)
	}
	back, err := b.MarshalBinary()
	wantErr(t, err, nil)
	if back[len(back)-1] != 0 {
		t.Error("the second end describes itself")
	}
	b.Close()
	a.Close()
	_, err = a.MarshalBinary()
	wantErr(t, err, net.ErrClosed)
}

// Half closes.
func TestPipeHalfClose(t *testing.T) {
	a, b := newPair(t, PipeOptions{Buffer: 100})
	got := make([]byte, 10)
	a.Write([]byte("last"))
	wantErr(t, a.CloseWrite(), nil)
	wantErr(t, a.CloseWrite(), nil)
	if n, err := a.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Error(n, err)
	}
	if n, err := b.Read(got); string(got[:n]) != "last" || err != nil {
		t.Error(n, err)
	}
	for range 2 {
		if n, err := b.Read(got); n != 0 || err != io.EOF {
			t.Error(n, err)
		}
	}
	if n, err := b.Write([]byte("answer")); n != 6 || err != nil {
		t.Error(n, err)
	}
	wantErr(t, a.CloseRead(), nil)
	if n, err := a.Read(got); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	if n, err := b.Write([]byte("more")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Error(n, err)
	}
	a.Close()
	wantErr(t, a.CloseRead(), net.ErrClosed)
	wantErr(t, a.SetDeadline(time.Now()), net.ErrClosed)
}

// What ends an operation that waits, and with which error.
func TestPipeWaitsEnd(t *testing.T) {
	type scene struct {
		name string
		end  func(own, other *Pipe, seg *shm.Segment)
		read error
		wrap error // of a write
	}
	for _, s := range []scene{
		{"own close", func(own, _ *Pipe, _ *shm.Segment) { own.Close() }, net.ErrClosed, net.ErrClosed},
		{"other close", func(_, other *Pipe, _ *shm.Segment) { other.Close() }, io.EOF, syscall.EPIPE},
		{"own half", func(own, _ *Pipe, _ *shm.Segment) { own.CloseRead(); own.CloseWrite() }, io.EOF, syscall.EPIPE},
		{"other half", func(_, other *Pipe, _ *shm.Segment) { other.CloseRead(); other.CloseWrite() }, io.EOF, syscall.EPIPE},
		{"segment", func(_, _ *Pipe, seg *shm.Segment) { seg.Close() }, net.ErrClosed, net.ErrClosed},
		{"segment, as such", func(_, _ *Pipe, seg *shm.Segment) { seg.Close() }, shm.ErrClosed, shm.ErrClosed},
		{"deadline", func(own, _ *Pipe, _ *shm.Segment) { own.SetDeadline(time.Now().Add(time.Millisecond)) },
			os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"past deadline", func(own, _ *Pipe, _ *shm.Segment) { own.SetDeadline(time.Unix(1, 0)) },
			os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		for policyName, policy := range policies {
			for _, asleep := range []bool{false, true} {
				t.Run(s.name+"/"+policyName, func(t *testing.T) {
					t.Parallel()
					seg := newSegment(t, shm.Options{})
					own, err := NewPipe(seg, "p", PipeOptions{Buffer: 64, Wait: policy})
					wantErr(t, err, nil)
					other, err := OpenPipe(seg, "p", PipeOptions{})
					wantErr(t, err, nil)
					defer other.Close()
					defer own.Close()
					var all sync.WaitGroup
					all.Go(func() {
						_, err := own.Read(make([]byte, 1))
						wantErrorf(t, "read", err, s.read)
					})
					all.Go(func() {
						n, err := own.Write(make([]byte, 100))
						if n > 64 {
							t.Error(n)
						}
						wantErrorf(t, "write", err, s.wrap)
					})
					if asleep {
						time.Sleep(5 * time.Millisecond)
					}
					began := time.Now()
					s.end(own, other, seg)
					all.Wait()
					if took := time.Since(began); took > 900*time.Millisecond {
						t.Errorf("took %v", took)
					}
				})
			}
		}
	}
}

func wantErrorf(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	if timeout, ok := err.(net.Error); want == os.ErrDeadlineExceeded && (!ok || !timeout.Timeout()) {
		t.Errorf("%s: %v is no time-out", what, err)
	}
}

// A deadline that has passed can be set anew.
func TestPipeDeadlineAgain(t *testing.T) {
	a, b := newPair(t, PipeOptions{})
	got := make([]byte, 1)
	b.SetReadDeadline(time.Now().Add(-time.Second))
	a.Write([]byte("x"))
	_, err := b.Read(got)
	wantErr(t, err, os.ErrDeadlineExceeded)
	b.SetReadDeadline(time.Time{})
	if n, err := b.Read(got); n != 1 || err != nil {
		t.Error(n, err)
	}
	b.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, err = b.Read(got)
	wantErr(t, err, os.ErrDeadlineExceeded)
	b.SetReadDeadline(time.Now().Add(time.Hour))
	a.Write([]byte("y"))
	if n, err := b.Read(got); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// The memory of a pipe comes back when both ends are closed, also when operations were under way.
func TestPipeMemoryComesBack(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 4 << 20})
	for range 500 { // 128 KiB each
		a, err := NewPipe(seg, "p", PipeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := OpenPipe(seg, "p", PipeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, seg.RemoveObject("p"), nil)
		var all sync.WaitGroup
		all.Go(func() { a.Read(make([]byte, 1)) })
		all.Go(func() { b.WriteTo(io.Discard) })
		a.SetDeadline(time.Now().Add(time.Hour))
		a.Close()
		b.Close()
		all.Wait()
	}
	wantErr(t, seg.Check(), nil)
}

// Nothing is allocated where nothing goes wrong, whether it waits or not.
func TestPipeAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector makes pools forget")
	}
	for name, policy := range policies {
		a, b := newPair(t, PipeOptions{Wait: policy})
		var echo sync.WaitGroup
		echo.Go(func() {
			buffer := make([]byte, 64)
			for {
				n, err := b.Read(buffer)
				if err != nil {
					return
				}
				b.Write(buffer[:n])
			}
		})
		buffer := make([]byte, 64)
		if n := testing.AllocsPerRun(200, func() {
			a.Write(buffer)
			io.ReadFull(a, buffer)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		a.Close()
		echo.Wait()
	}
}
