package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A pipeEndModel is what an end of a pipe should be, seen by one goroutine.
type pipeEndModel struct {
	c         halfCloser
	peer      *pipeEndModel
	coming    []byte // what the peer has written and this end has not read
	next      byte   // of what this end writes
	closed    bool
	readShut  bool
	writeShut bool
	readLate  bool // its deadline has passed
	writeLate bool
}

// A halfCloser is an end of a pipe, of this process or another one.
type halfCloser interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// modelBuffer is how many bytes can be under way.
const modelBuffer = 64

// refused is why an end neither reads nor writes.
func (m *pipeEndModel) refused(late bool) error {
	switch {
	case m.closed:
		return net.ErrClosed
	case late:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// readError is what a read must return; [os.ErrDeadlineExceeded] also when it would wait.
func (m *pipeEndModel) readError() error {
	switch err := m.refused(m.readLate); {
	case err != nil:
		return err
	case m.readShut:
		return io.EOF
	case len(m.coming) > 0:
		return nil
	case m.peer.writeShut || m.peer.closed:
		return io.EOF
	}
	return os.ErrDeadlineExceeded
}

// writeError is what a write must return that needs not wait.
func (m *pipeEndModel) writeError() error {
	switch err := m.refused(m.writeLate); {
	case err != nil:
		return err
	case m.writeShut || m.peer.readShut || m.peer.closed:
		return syscall.EPIPE
	}
	return nil
}

func expectErr(t *rapid.T, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
	var late net.Error
	if want == os.ErrDeadlineExceeded && (!errors.As(err, &late) || !late.Timeout()) {
		t.Fatalf("%s: %v is no timeout", what, err)
	}
}

// hurry sets a deadline for an operation that has to wait, and returns what takes it away. It may
// have passed before the operation begins.
func hurry(set func(time.Time) error, closed, late bool) (done func()) {
	if closed || late {
		return func() {}
	}
	set(time.Now().Add(2 * time.Millisecond)) //clock: the deadline is the subject
	return func() { set(time.Time{}) }
}

func (m *pipeEndModel) write(t *rapid.T) {
	b := make([]byte, rapid.IntRange(0, 2*modelBuffer).Draw(t, "n"))
	for i := range b {
		b[i] = m.next + byte(i)
	}
	want := m.writeError()
	room := modelBuffer - len(m.peer.coming)
	if want == nil && len(b) > room {
		want = os.ErrDeadlineExceeded
		defer hurry(m.c.SetWriteDeadline, m.closed, m.writeLate)()
	}
	n, err := m.c.Write(b)
	expectErr(t, "write", err, want)
	least, most := 0, 0
	switch {
	case want == nil:
		least, most = len(b), len(b)
	case m.writeError() == nil && n > 0: // it waited until there was room for half the ring
		least, most = room-min(len(b), modelBuffer/2), room
	}
	if n < least || n > most {
		t.Fatalf("wrote %d bytes of %d, with room for %d", n, len(b), room)
	}
	m.next += byte(n)
	m.peer.coming = append(m.peer.coming, b[:n]...)
}

func (m *pipeEndModel) read(t *rapid.T) {
	b := make([]byte, rapid.IntRange(1, 2*modelBuffer).Draw(t, "n"))
	want := m.readError()
	if want == os.ErrDeadlineExceeded {
		defer hurry(m.c.SetReadDeadline, m.closed, m.readLate)()
	}
	n, err := m.c.Read(b)
	expectErr(t, "read", err, want)
	m.took(t, b[:n], want == nil)
}

// took checks what was read.
func (m *pipeEndModel) took(t *rapid.T, got []byte, some bool) {
	if some != (len(got) > 0) || !bytes.HasPrefix(m.coming, got) {
		t.Fatalf("read %x of %x", got, m.coming)
	}
	m.coming = m.coming[len(got):]
}

// readAll reads to the end, in the way of [io.Copy], if the end has come.
func (m *pipeEndModel) readAll(t *rapid.T) {
	if m.closed || m.readLate || !m.readShut && !m.peer.writeShut && !m.peer.closed {
		return
	}
	var all bytes.Buffer
	n, err := io.Copy(&all, m.c)
	expectErr(t, "copy", err, nil)
	want := m.coming
	if m.readShut {
		want = nil
	}
	if n != int64(len(want)) || !bytes.Equal(all.Bytes(), want) {
		t.Fatalf("copied %x of %x", all.Bytes(), m.coming)
	}
	m.coming = m.coming[n:]
}

// control calls what is an error only at an end that is closed.
func (m *pipeEndModel) control(t *rapid.T, what string, err error, done func()) {
	if m.closed {
		expectErr(t, what, err, net.ErrClosed)
		return
	}
	expectErr(t, what, err, nil)
	done()
}

func (m *pipeEndModel) setDeadline(t *rapid.T) {
	late := rapid.Bool().Draw(t, "late")
	when := rapid.SampledFrom([]time.Time{{}, time.Now().Add(time.Hour)}).Draw(t, "when")
	if late {
		when = time.Unix(1, 0)
	}
	switch rapid.IntRange(0, 2).Draw(t, "which") {
	case 0:
		m.control(t, "SetReadDeadline", m.c.SetReadDeadline(when), func() { m.readLate = late })
	case 1:
		m.control(t, "SetWriteDeadline", m.c.SetWriteDeadline(when), func() { m.writeLate = late })
	default:
		m.control(t, "SetDeadline", m.c.SetDeadline(when), func() { m.readLate, m.writeLate = late, late })
	}
}

// seldom draws whether to do what ends most of what can be done.
func seldom(t *rapid.T) bool { return rapid.IntRange(0, 5).Draw(t, "now") == 0 }

func (m *pipeEndModel) closeHalf(t *rapid.T) {
	switch {
	case !seldom(t):
	case rapid.Bool().Draw(t, "read"):
		m.control(t, "CloseRead", m.c.CloseRead(), func() { m.readShut = true })
	default:
		m.control(t, "CloseWrite", m.c.CloseWrite(), func() { m.writeShut = true })
	}
}

func (m *pipeEndModel) close(t *rapid.T) {
	if seldom(t) {
		expectErr(t, "close", m.c.Close(), nil)
		m.closed = true
	}
}

// checkPipes has any sequence of operations do what it would do to two slices.
func checkPipes(t *testing.T, connect func(*rapid.T) (here, there halfCloser)) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := connect(t)
		defer here.Close()
		defer there.Close()
		a, b := &pipeEndModel{c: here}, &pipeEndModel{c: there}
		a.peer, b.peer = b, a
		actions := map[string]func(*rapid.T){}
		for i, m := range []*pipeEndModel{a, b} {
			for name, f := range map[string]func(*rapid.T){
				"Write": m.write, "Write again": m.write, "Read": m.read, "Read again": m.read, "io.Copy": m.readAll,
				"SetDeadline": m.setDeadline, "half close": m.closeHalf, "Close": m.close,
			} {
				actions[fmt.Sprint(name, " ", i+1)] = f
			}
		}
		t.Repeat(actions)
	})
}

// modelStart draws where the positions of a pipe begin.
func modelStart(t *rapid.T) uint64 {
	return rapid.SampledFrom([]uint64{0, ^uint64(0) - modelBuffer}).Draw(t, "start")
}

func TestPipeProperties(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		checkPipes(t, func(t *rapid.T) (here, there halfCloser) {
			a, b, err := Pair(Options{Buffer: modelBuffer, start: modelStart(t)})
			if err != nil {
				t.Fatal(err)
			}
			return a, b
		})
	})
	t.Run("two processes", func(t *testing.T) {
		p := newPeerProcess(t)
		checkPipes(t, func(t *rapid.T) (here, there halfCloser) {
			a, b, err := p.pipe(Options{Buffer: modelBuffer, start: modelStart(t)})
			if err != nil {
				t.Fatal(err)
			}
			return a, b
		})
		p.stop(t)
	})
	t.Run("dialed", func(t *testing.T) {
		l, path := newListener(t, ListenOptions{Buffer: modelBuffer})
		checkPipes(t, func(t *rapid.T) (here, there halfCloser) {
			accepted := make(chan net.Conn, 1)
			go func() {
				c, _ := l.Accept()
				accepted <- c
			}()
			c, err := Dial(background, path, DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return c.(*Conn), (<-accepted).(*Conn)
		})
	})
}
