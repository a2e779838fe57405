package manager

import (
	"encoding/binary"
	"io"
	"testing"
)

// A oneCall is a connection on which one call arrives, and the end of it after the answer.
type oneCall struct {
	instant
	known chan int64 // of the speed of the method, while the answer is written
}

func (c *oneCall) Write(b []byte) (int, error) {
	c.known <- Add.m.speed.nanoseconds.Load()
	close(c.over)
	return len(b), nil
}

func (c *oneCall) Read(b []byte) (int, error) {
	if c.calls == 0 {
		<-c.over
		return 0, io.EOF
	}
	c.calls--
	return copy(b, c.frame), nil
}

// The speed of a method is known before its answer is written: however long a connection takes for
// that, a quick method is one.
func TestSpeedLeavesOutConnection(t *testing.T) {
	s := &Server{objects: map[uint64]*object{}, sessions: map[*session]bool{}, incarnation: 1, ctx: background}
	s.o, _ = Options{}.complete()
	request := frameOf(byte(kindCall), flagDetach, uint16(Add.m.number), 1, 1, 1, binary.LittleEndian.AppendUint64(nil, 7))
	c := &oneCall{instant{frame: request, calls: 1, over: make(chan struct{})}, make(chan int64, 1)}
	e := newSession(s, c)
	e.hold(s.add(Desk.t, &desk{}))
	Add.m.speed.nanoseconds.Store(0)
	e.serve()
	e.cancel()
	if <-c.known == 0 {
		t.Fatal("nothing was known of the speed when the answer was written")
	}
}
