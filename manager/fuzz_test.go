package manager

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/handshake"
)

// fuzzed is the server that the fuzz targets send garbage to.
var fuzzed = sync.OnceValue(func() *Server {
	s, err := Serve(background, make(deafListener), Options{Max: 1 << 20})
	if err != nil {
		panic(err)
	}
	return s
})

// A deafListener is a listener to which no connection comes.
type deafListener chan struct{}

func (l deafListener) Accept() (net.Conn, error) {
	<-l
	return nil, net.ErrClosed
}
func (l deafListener) Close() error {
	close(l)
	return nil
}
func (l deafListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "unix" }
func (pipeAddr) String() string  { return "fuzzed" }

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
	f.Fuzz(func(t *testing.T, in []byte) { fuzzed().greet(sends(in)) })
}

// FuzzFrames sends garbage after the handshake: the server goes on to serve others.
func FuzzFrames(f *testing.F) {
	for kind := range byte(kindBye + 2) {
		f.Add(frameOf(kind, 0, 0, 1, 1, 1, nil))
		f.Add(frameOf(kind, 0xff, 1, 1, 1, 1, bytes.Repeat([]byte{kind}, 40)))
	}
	name := append([]byte{0, 4}, "desk"...)
	f.Add(append(frameOf(byte(kindNew), 0, 0, 1, 0, 0, append(name, 0x80)), frameOf(byte(kindList), 0, 0, 2, 0, 0, nil)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := fuzzed()
		meet(s, sends(in), s.add(Toys.t, openToy()))
	})
}
