package pipe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/net/nettest"
)

// newListener listens at a path of its own.
func newListener(t testing.TB, o ListenOptions) (l net.Listener, path string) {
	t.Helper()
	path = proctest.Dir(t) + "/listener"
	l, err := Listen(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

// serveEcho sends back what comes, over each connection, until the listener is closed.
func serveEcho(l net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() {
			io.Copy(c, c)
			c.(*Conn).Close()
		})
	}
}

// roleServe serves at args[0], and ends its listening when it hears a line.
var roleServe = proctest.Register("listen-echo", func(args []string) {
	l, err := Listen(args[0], ListenOptions{Backlog: 2})
	proctest.ExitOn(err)
	proctest.Say("listening")
	go func() {
		proctest.Hear()
		l.Close()
	}()
	proctest.ExitOn(serveEcho(l))
	proctest.Say("closed")
})

func dial(t testing.TB, path string) net.Conn {
	t.Helper()
	c, err := Dial(background, path, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// echoes checks that what is written comes back.
func echoes(t testing.TB, c net.Conn, text string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(proctest.Hang))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
	c.SetDeadline(time.Time{})
}

// Connections within a process, with the tests that every net.Conn must pass.
func TestDialIsAConn(t *testing.T) {
	l, path := newListener(t, ListenOptions{})
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		var accepted sync.WaitGroup
		accepted.Go(func() { c2, err = l.Accept() })
		c1, dialErr := Dial(background, path, DialOptions{})
		accepted.Wait()
		if err = errors.Join(err, dialErr); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}

// A server in another process.
func TestDialAnotherProcess(t *testing.T) {
	path := proctest.Dir(t) + "/listener"
	child := proctest.Start(t, roleServe, path)
	child.Expect("listening")
	var all sync.WaitGroup
	for i := range 20 { // many more than the backlog holds
		all.Go(func() {
			for j := range 10 {
				c, err := Dial(background, path, DialOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				echoes(t, c, strings.Repeat(fmt.Sprint(i, j), 1000))
				c.Close()
			}
		})
	}
	all.Wait()
	c := dial(t, path)
	child.Send("close")
	echoes(t, c, "goes on")
	c.Close()
	child.Expect("closed")
	child.WaitOK()
	_, err := Dial(background, path, DialOptions{})
	wantErr(t, err, syscall.ECONNREFUSED)
}

// A segment that holds something else is no listener's, and stays.
func TestListenLeavesOthersAlone(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	if _, err := queue.NewQueue[int64](seg, "q", 1, queue.Options{}); err != nil {
		t.Fatal(err)
	}
	_, err = Listen(path, ListenOptions{})
	wantErr(t, err, os.ErrExist)
	_, err = Dial(background, path, DialOptions{})
	wantErr(t, err, syscall.ECONNREFUSED)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	_, err = Listen("", ListenOptions{})
	wantErr(t, err, os.ErrInvalid)
	_, err = Listen(path, ListenOptions{Buffer: -1})
	wantErr(t, err, os.ErrInvalid)
	_, err = Listen(proctest.Dir(t)+"/l", ListenOptions{Backlog: -1})
	wantErr(t, err, os.ErrInvalid)
}
