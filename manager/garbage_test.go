package manager

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/handshake"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A scripted is a connection with a client that sends what a script says, and drops what it gets.
// Reads are those of one goroutine at a time.
type scripted struct {
	next   func() []byte // what the client sends next; nil: the end of the connection
	rest   []byte
	closed atomic.Bool
}

func (c *scripted) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		c.rest = c.next()
	}
	if c.closed.Load() || len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *scripted) Write(b []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

func (c *scripted) Close() error {
	c.closed.Store(true)
	return nil
}
func (c *scripted) LocalAddr() net.Addr              { return pipeAddr{} }
func (c *scripted) RemoteAddr() net.Addr             { return pipeAddr{} }
func (c *scripted) SetDeadline(time.Time) error      { return nil }
func (c *scripted) SetReadDeadline(time.Time) error  { return nil }
func (c *scripted) SetWriteDeadline(time.Time) error { return nil }

// sends returns a connection with a client that sends those bytes and closes it.
func sends(in []byte) *scripted {
	return &scripted{next: func() []byte {
		b := in
		in = nil
		return b
	}}
}

// meet serves a connection as after a handshake, until it has ended. It has a reference to o.
func meet(s *Server, c net.Conn, o *object) {
	e := newSession(s, c)
	e.hold(o)
	s.mu.Lock()
	s.sessions[e] = true
	s.mu.Unlock()
	s.work.Go(e.serve)
	s.work.Go(e.watch)
	<-e.ctx.Done()
}

// A toy is an object for garbage. Those that live are the opened ones less the closed ones.
type toy struct{}

var toysOpened, toysClosed atomic.Int64

func openToy() *toy {
	toysOpened.Add(1)
	return &toy{}
}

func (*toy) Close() error {
	toysClosed.Add(1)
	return nil
}

func (*toy) each(_ context.Context, n int64) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		for i := range n & 7 {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// Toys and their methods, one of each form.
var (
	Toys    = Define("toy", func(context.Context, []int) (*toy, error) { return openToy(), nil })
	toyCall = []*methodInfo{
		Method(Toys, "add", func(_ *toy, _ context.Context, n int64) (int64, error) { return n + 1, nil }).m,
		Method(Toys, "texts", func(_ *toy, _ context.Context, m map[string][]string) (int, error) { return len(m), nil }).m,
		Yields(Toys, "each", (*toy).each).m,
		Maker(Toys, "make", func(*toy, context.Context, int64) (*toy, error) { return openToy(), nil }, Toys).m,
	}
)

// A babbler makes garbage: frames that may be right, and most of which are not.
type babbler struct {
	*rand.Rand
	s *Server
	o *object // to which the connection has a reference
}

// rarely is true once in n times.
func (r babbler) rarely(n int) bool { return r.IntN(n) == 0 }

func (r babbler) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// frame is a frame that fits its kind more or less.
func (r babbler) frame() []byte {
	kind := frame.Kind(r.IntN(int(kindBye) + 2))
	if r.rarely(2) {
		kind = kindCall
	}
	method, flags, call := uint16(toyCall[r.IntN(len(toyCall))].number), byte(0), r.Uint64N(8)
	object, incarnation := r.o.serial, r.s.incarnation
	if r.rarely(4) {
		flags = byte(r.Uint32())
	}
	if r.rarely(8) {
		method, object, incarnation = uint16(r.Uint32()), r.Uint64N(object+2), r.Uint64()
	}
	payload := r.bytes([]int{0, 8, 8, 16, 40}[r.IntN(5)])
	switch {
	case kind == kindCall && r.rarely(3):
		payload = []byte("\xa1\x64name\x82\x63one\x63two") // a map of a list of texts
	case kind == kindNew || kind == kindNamed:
		payload = append([]byte{1, byte('a' + r.IntN(3)), 3}, "toy\x80"...)
	case kind == kindRemove:
		payload = []byte{byte('a' + r.IntN(3))}
	}
	b := frameOf(byte(kind), flags, method, call, object, incarnation, payload)
	if r.rarely(8) {
		binary.LittleEndian.PutUint64(b[32:], r.Uint64()>>r.IntN(64)) // a deadline
	}
	return b
}

// frames are one to three frames, of which every second time some bytes are changed, or some are
// missing.
func (r babbler) frames() []byte {
	b := r.frame()
	for range r.IntN(3) {
		b = append(b, r.frame()...)
	}
	return r.damage(b)
}

func (r babbler) damage(b []byte) []byte {
	if r.rarely(2) {
		return b
	}
	for range 1 + r.IntN(3) {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	if r.rarely(8) {
		b = b[:r.IntN(len(b))]
	}
	return b
}

// whole reports whether b are whole frames: then the connection is at a border after them.
func whole(b []byte) bool {
	for len(b) >= frame.HeadSize {
		n := frame.HeadSize + int(binary.LittleEndian.Uint32(b))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

// seed is that of the garbage: another one at each heavy run.
func seed(t *testing.T) *rand.Rand {
	n := uint64(1)
	if long {
		n = rand.Uint64()
	}
	t.Logf("seed %d", n)
	return rand.New(rand.NewPCG(n, n))
}

// Garbage after the handshake ends its connection at most: the server goes on, and closes each
// object once. An input is one to three frames; a connection gets at most 100 of them.
func TestGarbageFrames(t *testing.T) {
	address := "unix://" + proctest.Dir(t) + "/socket"
	l, err := Listen(address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	//clock: pins end at once, so that none keeps an object
	s, err := Serve(background, l, Options{Max: 1 << 20, Pin: 1})
	if err != nil {
		t.Fatal(err)
	}
	toysOpened.Store(0)
	toysClosed.Store(0)
	r := babbler{Rand: seed(t), s: s}
	inputs, connections := 0, 0
	for inputs < many(100_000, 2_000) {
		r.o = s.add(Toys.t, openToy())
		border, left := true, 100
		meet(s, &scripted{next: func() []byte {
			if !border || left == 0 {
				return nil
			}
			left--
			inputs++
			b := r.frames()
			border = whole(b)
			return b
		}}, r.o)
		connections++
	}
	t.Logf("%d inputs in %d connections, %d objects", inputs, connections, toysOpened.Load())
	m, err := Dial(background, address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Add.Call(background, newDesk(t, m), 1); n != 2 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
	m.Close()
	s.Kill()
	proctest.Ends(t, s.Done(), "the server ends")
	if opened, closed := toysOpened.Load(), toysClosed.Load(); opened != closed {
		t.Errorf("%d objects were opened, %d closed", opened, closed)
	}
}

// Garbage in place of a greeting, or of a proof of the key, is refused.
func TestGarbageBeforeHandshake(t *testing.T) {
	servers := map[bool]*Server{}
	for _, key := range []bool{true, false} {
		o := Options{}
		if key {
			o.Key = []byte("key")
		}
		s, err := Serve(background, make(deafListener), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Kill()
		servers[key] = s
	}
	r := babbler{Rand: seed(t)}
	begun := 0
	for range many(100_000, 2_000) {
		hasKey, saysKey := r.rarely(2), []byte(nil)
		if r.rarely(2) {
			saysKey = []byte("guess")
		}
		in := append(slices.Clone(handshake.New(saysKey).Greeting()), r.bytes(r.IntN(2)*40)...)
		in = r.damage(in)
		err := servers[hasKey].greet(sends(in))
		if err == nil {
			begun++
		}
		right := !hasKey && len(in) >= handshake.GreetingLen && handshake.New(nil).Check(in) == nil
		if (err == nil) != right {
			t.Fatalf("error %v, key %t, after %q", err, hasKey, in)
		}
	}
	t.Logf("%d sessions were begun", begun)
}
