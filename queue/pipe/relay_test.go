package pipe

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/net/nettest"
)

// roleRelay listens at args[0], and connects each two connections that it accepts with each other.
var roleRelay = proctest.Register("relay", func(args []string) {
	l, err := Listen(args[0], ListenOptions{})
	proctest.ExitOn(err)
	proctest.Say("listening")
	go func() {
		proctest.Hear()
		l.Close()
	}()
	for {
		a, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		proctest.ExitOn(err)
		b, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			a.Close()
			return
		}
		proctest.ExitOn(err)
		go relay(a.(*Conn), b.(*Conn))
	}
})

func relay(a, b *Conn) {
	var both sync.WaitGroup
	carry := func(from, to *Conn) {
		io.Copy(to, from)
		to.CloseWrite()
		from.CloseRead()
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
	a.Close()
	b.Close()
}

// The tests that every net.Conn must pass, through another process and back.
func TestConnThroughAnotherProcess(t *testing.T) {
	path := proctest.Dir(t) + "/listener"
	child := proctest.Start(t, roleRelay, path)
	child.Expect("listening")
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, err1 := Dial(background, path, DialOptions{})
		c2, err2 := Dial(background, path, DialOptions{})
		if err = errors.Join(err1, err2); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
	child.Send("close")
	child.WaitOK()
}
