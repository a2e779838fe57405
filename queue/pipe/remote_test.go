package pipe

import (
	"errors"
	"io"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/net/nettest"
)

// Ends is what another process does with ends of pipes that it has, as it is told.
type Ends struct {
	seg  *shm.Segment // where pipes are that were made by name
	all  sync.Map     // *Conn by number
	last atomic.Int64
}

// An EndCall says what to do with which end.
type EndCall struct {
	End  int64
	What string // a method of Pipe; or which name to open, or to dial
	N    int
	Data []byte
	Time time.Time
}

// An EndResult is what came of it.
type EndResult struct {
	End  int64
	N    int
	Data []byte
	Err  int // in endErrors
	Text string
}

// endErrors are the errors that go from process to process as numbers.
var endErrors = []error{nil, io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, net.ErrClosed, syscall.EPIPE, syscall.ECONNREFUSED}

func (r *EndResult) set(err error) {
	if err == nil {
		return
	}
	for r.Err = len(endErrors) - 1; r.Err > 0 && !errors.Is(err, endErrors[r.Err]); r.Err-- {
	}
	r.Text = err.Error()
}

func (r *EndResult) error() error {
	switch {
	case r.Text == "":
		return nil
	case r.Err == 0:
		return errors.New(r.Text)
	case endErrors[r.Err] == io.EOF || endErrors[r.Err] == io.ErrUnexpectedEOF:
		return endErrors[r.Err]
	}
	return &net.OpError{Op: "remote", Net: network, Err: endErrors[r.Err]}
}

func (e *Ends) add(c *Conn, r *EndResult) {
	r.End = e.last.Add(1)
	e.all.Store(r.End, c)
}

// Open takes the second end of a pipe.
func (e *Ends) Open(call EndCall, r *EndResult) error {
	c, err := Open(e.seg, call.What, Options{})
	if r.set(err); err == nil {
		e.add(c, r)
	}
	return nil
}

// Dial dials a listener.
func (e *Ends) Dial(call EndCall, r *EndResult) error {
	c, err := Dial(background, call.What, DialOptions{})
	if r.set(err); err == nil {
		e.add(c.(*Conn), r)
	}
	return nil
}

// Do calls a method of an end.
func (e *Ends) Do(call EndCall, r *EndResult) error {
	end, ok := e.all.Load(call.End)
	if !ok {
		return errors.New("no such end")
	}
	c := end.(*Conn)
	var err error
	switch call.What {
	case "Read":
		r.Data = make([]byte, call.N)
		r.N, err = c.Read(r.Data)
		r.Data = r.Data[:r.N]
	case "Write":
		r.N, err = c.Write(call.Data)
	case "Close":
		err = c.Close() // it stays in the map: it may be used, and closed, again
	case "CloseRead":
		err = c.CloseRead()
	case "CloseWrite":
		err = c.CloseWrite()
	case "SetDeadline":
		err = c.SetDeadline(call.Time)
	case "SetReadDeadline":
		err = c.SetReadDeadline(call.Time)
	case "SetWriteDeadline":
		err = c.SetWriteDeadline(call.Time)
	default:
		return errors.New("no such method")
	}
	r.set(err)
	return nil
}

// roleEnds has ends of pipes in the segment args[0], and is told over the socket args[1] what to do
// with them.
var roleEnds = proctest.Register("pipe-ends", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	l, err := net.Listen("unix", args[1])
	proctest.ExitOn(err)
	proctest.Say("ready")
	c, err := l.Accept()
	proctest.ExitOn(err)
	s := rpc.NewServer()
	proctest.ExitOn(s.Register(&Ends{seg: seg}))
	s.ServeConn(c)
	proctest.ExitOn(seg.Close())
})

// A remoteEnd is an end that another process has.
type remoteEnd struct {
	ends *rpc.Client
	end  int64
	addr net.Addr // of the pipe
}

func (c *remoteEnd) call(call EndCall) (EndResult, error) {
	var r EndResult
	call.End = c.end
	if err := c.ends.Call("Ends.Do", call, &r); err != nil {
		return r, err
	}
	return r, r.error()
}

func (c *remoteEnd) Read(b []byte) (int, error) {
	r, err := c.call(EndCall{What: "Read", N: len(b)})
	return copy(b, r.Data), err
}

func (c *remoteEnd) Write(b []byte) (int, error) {
	r, err := c.call(EndCall{What: "Write", Data: b})
	return r.N, err
}

func (c *remoteEnd) simply(what string, t time.Time) error {
	_, err := c.call(EndCall{What: what, Time: t})
	return err
}

func (c *remoteEnd) Close() error                       { return c.simply("Close", time.Time{}) }
func (c *remoteEnd) CloseRead() error                   { return c.simply("CloseRead", time.Time{}) }
func (c *remoteEnd) CloseWrite() error                  { return c.simply("CloseWrite", time.Time{}) }
func (c *remoteEnd) SetDeadline(t time.Time) error      { return c.simply("SetDeadline", t) }
func (c *remoteEnd) SetReadDeadline(t time.Time) error  { return c.simply("SetReadDeadline", t) }
func (c *remoteEnd) SetWriteDeadline(t time.Time) error { return c.simply("SetWriteDeadline", t) }
func (c *remoteEnd) LocalAddr() net.Addr                { return c.addr }
func (c *remoteEnd) RemoteAddr() net.Addr               { return c.addr }

// A peerProcess is another process that takes ends of pipes.
type peerProcess struct {
	seg   *shm.Segment
	ends  *rpc.Client
	child *proctest.Child
	pipes int
}

func newPeerProcess(t testing.TB) *peerProcess {
	t.Helper()
	dir := proctest.Dir(t)
	seg, err := shm.Create(filepath.Join(dir, "segment"), bigSegment)
	wantErr(t, err, nil)
	child := proctest.Start(t, roleEnds, seg.Path(), filepath.Join(dir, "socket"))
	child.Expect("ready")
	ends, err := rpc.Dial("unix", filepath.Join(dir, "socket"))
	wantErr(t, err, nil)
	return &peerProcess{seg: seg, ends: ends, child: child}
}

// stop ends the other process.
func (p *peerProcess) stop(t testing.TB) {
	t.Helper()
	wantErr(t, p.ends.Close(), nil)
	p.child.WaitOK()
	wantErr(t, p.seg.Close(), nil)
}

// end has the other process take an end.
func (p *peerProcess) end(how, name string) (*remoteEnd, error) {
	var r EndResult
	if err := p.ends.Call("Ends."+how, EndCall{What: name}, &r); err != nil {
		return nil, err
	}
	return &remoteEnd{ends: p.ends, end: r.End, addr: address(name)}, r.error()
}

// pipe makes a pipe with its second end in the other process.
func (p *peerProcess) pipe(o Options) (*Conn, *remoteEnd, error) {
	p.pipes++
	name := "pipe" + strconv.Itoa(p.pipes)
	here, err := New(p.seg, name, o)
	if err != nil {
		return nil, nil, err
	}
	there, err := p.end("Open", name)
	if err == nil {
		err = p.seg.RemoveObject(name)
	}
	return here, there, err
}

// The tests that every net.Conn must pass, with the two ends in two processes.
func TestConnBetweenProcesses(t *testing.T) {
	p := newPeerProcess(t)
	l, path := newListener(t, ListenOptions{})
	for name, connect := range map[string]func() (here, there net.Conn, err error){
		"pipe": func() (here, there net.Conn, err error) { return p.pipe(Options{Buffer: 4096}) },
		"dial": func() (here, there net.Conn, err error) {
			var accepted sync.WaitGroup
			var acceptErr error
			accepted.Go(func() { here, acceptErr = l.Accept() })
			there, err = p.end("Dial", path)
			accepted.Wait()
			return here, there, errors.Join(err, acceptErr)
		},
	} {
		for direction, turn := range map[string]bool{"here": false, "there": true} {
			t.Run(name+"/"+direction, func(t *testing.T) {
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					c1, c2, err = connect()
					if turn {
						c1, c2 = c2, c1
					}
					return c1, c2, func() { c1.Close(); c2.Close() }, err
				})
			})
		}
	}
	p.stop(t)
}
