package manager

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/handshake"
)

// fuzzed is the server that the fuzz targets send garbage to.
var fuzzed = sync.OnceValue(func() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	if _, err := Serve(background, l, Options{Max: 1 << 20, Concurrent: 8}); err != nil {
		panic(err)
	}
	return l
})

// A pipeListener is a listener of connections within this process.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "unix" }
func (pipeAddr) String() string  { return "fuzzed" }

// feed sends bytes to the server, in place of a client, and waits until it has closed the
// connection or read them all.
func feed(t *testing.T, l *pipeListener, greet bool, in []byte) {
	here, there := net.Pipe()
	l.conns <- there
	if greet {
		if err := handshake.New(nil).Do(background, here); err != nil {
			t.Fatal(err)
		}
	}
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, here) })
	here.Write(in) // the server may refuse it
	here.Close()
	reading.Wait()
}

// frameOf is one frame with that head.
func frameOf(kind, flags byte, method uint16, call, object, incarnation uint64, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(b, kind, flags)
	b = binary.LittleEndian.AppendUint16(b, method)
	for _, n := range []uint64{call, object, incarnation, 0} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return append(b, payload...)
}

// FuzzBeforeHandshake sends garbage in place of a greeting.
func FuzzBeforeHandshake(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(handshake.New(nil).Greeting())
	f.Add(handshake.New([]byte("key")).Greeting())
	f.Fuzz(func(t *testing.T, in []byte) { feed(t, fuzzed(), false, in) })
}

// FuzzFrames sends garbage after the handshake: the server goes on to serve others.
func FuzzFrames(f *testing.F) {
	for kind := range byte(kindBye + 2) {
		f.Add(frameOf(kind, 0, 0, 1, 1, 1, nil))
		f.Add(frameOf(kind, 0xff, 1, 1, 1, 1, bytes.Repeat([]byte{kind}, 40)))
	}
	name := append([]byte{0, 4}, "desk"...)
	f.Add(append(frameOf(byte(kindNew), 0, 0, 1, 0, 0, append(name, 0x80)), frameOf(byte(kindList), 0, 0, 2, 0, 0, nil)...))
	f.Fuzz(func(t *testing.T, in []byte) { feed(t, fuzzed(), true, in) })
}
