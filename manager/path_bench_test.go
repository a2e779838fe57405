package manager

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
)

// An instant is a connection whose other end takes no time: a server that answers each call, or a
// client that sends the next call at once.
type instant struct {
	frame []byte // what comes next
	calls int    // how many more calls a client sends
	over  chan struct{}
}

func (c *instant) Read(b []byte) (int, error) {
	if c.calls == 0 {
		close(c.over)
		return 0, io.EOF
	}
	c.calls--
	return copy(b, c.frame), nil
}

func (c *instant) Write(b []byte) (int, error) {
	copy(c.frame[8:16], b[8:16]) // the number of the call
	return len(b), nil
}

func (c *instant) Close() error                     { return nil }
func (c *instant) LocalAddr() net.Addr              { return pipeAddr{} }
func (c *instant) RemoteAddr() net.Addr             { return pipeAddr{} }
func (c *instant) SetDeadline(time.Time) error      { return nil }
func (c *instant) SetReadDeadline(time.Time) error  { return nil }
func (c *instant) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkPathOfClient is what a call takes in the client, without the other side.
func BenchmarkPathOfClient(b *testing.B) {
	c := &instant{frame: frameOf(byte(kindResult), 0, 0, 0, 0, 0, make([]byte, 8)), calls: -1}
	numbers := make([]int, 100)
	for i := range numbers {
		numbers[i] = i
	}
	l := &link{conn: c, r: frame.NewReader(c), max: defaultMax, numbers: numbers, kick: make(chan struct{}, 1), ended: make(chan struct{})}
	l.w = frame.NewWriter(c, nil)
	l.server.Concurrent = 100
	ref := &Ref[*desk]{h: (*client)(nil).hold(l, 1, nil)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Add.Call(background, ref, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPathOfServer is what a call takes in the server, without the other side.
func BenchmarkPathOfServer(b *testing.B) {
	s := &Server{objects: map[uint64]*object{}, sessions: map[*session]bool{}, incarnation: 1, ctx: background}
	s.o, _ = Options{}.complete()
	c := &instant{frame: frameOf(byte(kindCall), flagDetach, uint16(Add.m.number), 1, 1, 1, binary.LittleEndian.AppendUint64(nil, 7)),
		calls: b.N, over: make(chan struct{})}
	e := newSession(s, c)
	e.hold(s.add(Desk.t, &desk{}))
	Add.m.speed.nanoseconds.Store(100)
	b.ReportAllocs()
	s.work.Go(e.watch)
	e.serve()
	<-c.over
	e.cancel()
}
