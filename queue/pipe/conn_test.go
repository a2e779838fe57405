package pipe

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/net/nettest"
)

// newPair makes a pipe with both ends in this process.
func newPair(t testing.TB, o Options) (a, b *Conn) {
	t.Helper()
	a, b, err := Pair(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// TestConn has the tests that every net.Conn must pass run on pipes of all kinds.
func TestPipeIsAConn(t *testing.T) {
	for name, o := range map[string]Options{
		"default": {}, "small": {Buffer: 1}, "parking": {Wait: policies["park"]},
		"wraps": {Buffer: 4096, start: math.MaxUint64 - 5000},
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b, err := Pair(o)
				if err != nil {
					return nil, nil, nil, err
				}
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

// An end is taken once.
func TestPipeEnds(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := Open(seg, "p", Options{})
	wantErr(t, err, os.ErrNotExist)
	a, err := New(seg, "p", Options{Buffer: 100})
	wantErr(t, err, nil)
	_, err = New(seg, "p", Options{})
	wantErr(t, err, queue.ErrRoleTaken)
	if n, err := a.Write([]byte("early")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	b, err := Open(seg, "p", Options{})
	wantErr(t, err, nil)
	_, err = Open(seg, "p", Options{})
	wantErr(t, err, queue.ErrRoleTaken)
	got := make([]byte, 10)
	if n, err := b.Read(got); string(got[:n]) != "early" || err != nil {
		t.Fatal(n, err)
	}
	if a.LocalAddr().String() != b.RemoteAddr().String() || a.LocalAddr().String() == b.LocalAddr().String() || a.LocalAddr().Network() != "shm" {
		t.Error(a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	wantErr(t, a.Close(), nil)
	wantErr(t, b.Close(), nil)
	for _, open := range []func(*shm.Segment, string, Options) (*Conn, error){New, Open} {
		_, err = open(seg, "p", Options{})
		wantErr(t, err, queue.ErrRoleTaken)
	}
	wantErr(t, seg.RemoveObject("p"), nil)
	a, err = New(seg, "p", Options{})
	wantErr(t, err, nil)
	a.Close()
}

func TestPipeBadInput(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, n := range []int{-1, maxBuffer + 1} {
		_, err := New(seg, "p", Options{Buffer: n})
		wantErr(t, err, os.ErrInvalid)
	}
	_, err := New(seg, "a/b", Options{})
	wantErr(t, err, os.ErrInvalid)
	_, err = New(seg, "p", Options{Buffer: maxBuffer})
	var full *shm.NoSpaceError
	if !errors.As(err, &full) {
		t.Error(err)
	}
	if _, err := queue.NewQueue[int64](seg, "q", 1, queue.Options{}); err != nil {
		t.Fatal(err)
	}
	_, err = Open(seg, "q", Options{})
	wantErr(t, err, shm.ErrMismatch)
	_, err = New(seg, "q", Options{})
	wantErr(t, err, shm.ErrMismatch)
}

// The other end goes where its description goes.
func TestPipeMarshal(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	a, err := New(seg, "p", Options{})
	wantErr(t, err, nil)
	text, err := a.MarshalBinary()
	wantErr(t, err, nil)
	var b, third Conn
	wantErr(t, b.UnmarshalBinary(text), nil)
	wantErr(t, third.UnmarshalBinary(text), queue.ErrRoleTaken)
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
	a, b := newPair(t, Options{Buffer: 100})
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

// The memory of a pipe comes back when both ends are closed, also when operations were under way.
func TestPipeMemoryComesBack(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 4 << 20})
	for range 500 { // 128 KiB each
		a, err := New(seg, "p", Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(seg, "p", Options{})
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
		a, b := newPair(t, Options{Wait: policy})
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
