package pipe

import (
	"context"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"pgregory.net/rapid"
)

// A listenModel is what a name should be that some listen at and some dial.
type listenModel struct {
	path    string
	l       *listener // nil: there is no listener
	backlog []*dialing
	calls   []call
	dials   byte // how many there were
}

// A dialing is a call of Dial that waits.
type dialing struct {
	id     byte // what the connection is told first
	cancel context.CancelFunc
	c      net.Conn
	over   chan error
	gone   bool // it has given up
}

// A call is a connection.
type call struct {
	id               byte
	dialed, accepted net.Conn
	spoken           bool // the accepted end knows the id
	hungUp           bool // the dialed end is closed
}

const modelBacklog = 4

func (m *listenModel) listen(t *rapid.T) {
	l, err := Listen(m.path, ListenOptions{Buffer: 64, Backlog: modelBacklog})
	if m.l != nil {
		expectErr(t, "listen", err, syscall.EADDRINUSE)
		return
	}
	expectErr(t, "listen", err, nil)
	m.l = l.(*listener)
}

// dial begins to dial. Nothing is drawn while it waits.
func (m *listenModel) dial(t *rapid.T) {
	if len(m.backlog) == modelBacklog {
		return // in which order they come in when there is room again is not said
	}
	m.dials++
	ctx, cancel := context.WithCancel(background)
	d := &dialing{id: m.dials, cancel: cancel, over: make(chan error, 1)}
	go func() {
		c, err := Dial(ctx, m.path, DialOptions{})
		d.c = c
		d.over <- err
	}()
	if m.l == nil {
		expectErr(t, "dial", d.end(t), syscall.ECONNREFUSED)
		return
	}
	m.backlog = append(m.backlog, d)
	for m.l.backlog.Len() != len(m.backlog) { // until it is in the backlog
		runtime.Gosched()
	}
}

// end waits until a dialer has returned.
func (d *dialing) end(t *rapid.T) error {
	select {
	case err := <-d.over:
		d.cancel()
		return err
	case <-time.After(proctest.Hang):
		t.Fatal("a dialer still waits")
		return nil
	}
}

func (m *listenModel) waiting() (all []*dialing) {
	for _, d := range m.backlog {
		if !d.gone {
			all = append(all, d)
		}
	}
	return all
}

// giveUp ends one of the waiting dialers.
func (m *listenModel) giveUp(t *rapid.T) {
	if all := m.waiting(); len(all) > 0 {
		d := rapid.SampledFrom(all).Draw(t, "who")
		d.cancel()
		expectErr(t, "dial", d.end(t), context.Canceled)
		d.gone = true
	}
}

func (m *listenModel) accept(t *rapid.T) {
	first := slices.IndexFunc(m.backlog, func(d *dialing) bool { return !d.gone })
	if first < 0 {
		return // it would wait
	}
	d := m.backlog[first]
	m.backlog = m.backlog[first+1:]
	c, err := m.l.Accept()
	expectErr(t, "accept", err, nil)
	expectErr(t, "dial", d.end(t), nil)
	_, err = d.c.Write([]byte{d.id})
	expectErr(t, "write", err, nil)
	m.calls = append(m.calls, call{id: d.id, dialed: d.c, accepted: c})
}

// speak checks that one of the connections is the one that it should be, and goes both ways.
func (m *listenModel) speak(t *rapid.T) {
	if len(m.calls) == 0 {
		return
	}
	c := &m.calls[rapid.IntRange(0, len(m.calls)-1).Draw(t, "which")]
	b := make([]byte, 1)
	if !c.spoken {
		_, err := io.ReadFull(c.accepted, b)
		if expectErr(t, "read", err, nil); b[0] != c.id {
			t.Fatalf("connection %d came as %d", c.id, b[0])
		}
		c.spoken = true
	}
	if c.hungUp {
		_, err := c.accepted.Read(b)
		expectErr(t, "read", err, io.EOF)
		return
	}
	_, err := c.accepted.Write([]byte{^c.id})
	expectErr(t, "write", err, nil)
	_, err = io.ReadFull(c.dialed, b)
	if expectErr(t, "read", err, nil); b[0] != ^c.id {
		t.Fatalf("connection %d answers as %d", c.id, ^b[0])
	}
}

// hangUp closes one end of a connection first, and the other one later.
func (m *listenModel) hangUp(t *rapid.T) {
	if len(m.calls) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.calls)-1).Draw(t, "which")
	c := &m.calls[i]
	if !c.hungUp {
		c.hungUp = true
		expectErr(t, "close", c.dialed.Close(), nil)
		return
	}
	expectErr(t, "close", c.accepted.Close(), nil)
	m.calls = slices.Delete(m.calls, i, i+1)
}

func (m *listenModel) close(t *rapid.T) {
	if m.l == nil || !seldom(t) {
		return
	}
	expectErr(t, "close", m.l.Close(), nil)
	_, err := m.l.Accept()
	expectErr(t, "accept", err, net.ErrClosed)
	for _, d := range m.waiting() {
		expectErr(t, "dial", d.end(t), syscall.ECONNREFUSED)
	}
	m.l, m.backlog = nil, nil
}

// check looks what has a name: only connections that wait.
func (m *listenModel) check(t *rapid.T) {
	if m.l == nil {
		return
	}
	offers := 0
	for name := range m.l.a.seg.Objects() {
		if strings.HasPrefix(name, "conn-") {
			offers++
		}
	}
	if want := len(m.waiting()); offers != want {
		t.Fatalf("%d connections have names, and %d wait", offers, want)
	}
}

// Any sequence of operations gives each dialer the connection that is accepted in its turn, or
// none.
func TestListenProperties(t *testing.T) {
	dir := proctest.Dir(t)
	rapid.Check(t, func(t *rapid.T) {
		m := &listenModel{path: dir + "/listener"}
		defer func() { // also when the check fails, and is tried again
			for _, d := range m.waiting() {
				d.cancel()
			}
			for _, c := range m.calls {
				c.dialed.Close()
				c.accepted.Close()
			}
			if m.l != nil {
				m.l.Close()
			}
		}()
		m.listen(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "Listen": m.listen, "Dial": m.dial, "Dial again": m.dial, "give up": m.giveUp, "Accept": m.accept,
			"speak": m.speak, "hang up": m.hangUp, "Close": m.close,
		})
	})
}
