//go:build linux

package pipe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// roleSelectPeer does what it is told with the second end of pipe p in the segment args[0].
var roleSelectPeer = proctest.Register("select-peer", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	c, err := Open(seg, "p", Options{})
	proctest.ExitOn(err)
	for b := make([]byte, 1<<20); ; {
		switch proctest.Hear() {
		case "write":
			_, err = c.Write([]byte("x"))
		case "read":
			_, err = c.Read(b)
		case "close":
			err = c.Close()
		}
		proctest.ExitOn(err)
		proctest.Say("done")
	}
})

func tell(child *proctest.Child, what string) {
	child.Send(what)
	child.Expect("done")
}

// selectPipe makes a pipe with its other end in a child.
func selectPipe(t *testing.T) (seg *shm.Segment, c *Conn, child *proctest.Child) {
	t.Helper()
	seg, err := shm.Create(proctest.Dir(t)+"/segment", shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	c, err = New(seg, "p", Options{Buffer: 64})
	wantErr(t, err, nil)
	child = proctest.Start(t, roleSelectPeer, seg.Path())
	t.Cleanup(func() { child.Kill() })
	return seg, c, child
}

func newSelect(t testing.TB, sources ...shmsync.Source) *shmsync.Select {
	s := shmsync.NewSelect(sources...)
	t.Cleanup(func() { s.Close() })
	return s
}

// wantReady waits for a source, which has to be i.
func wantReady(t testing.TB, s *shmsync.Select, i int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, proctest.Hang)
	defer cancel()
	if got, err := s.Wait(ctx); got != i || err != nil {
		t.Fatalf("source %d, %v; want %d", got, err, i)
	}
}

func wantNoneReady(t testing.TB, s *shmsync.Select) {
	t.Helper()
	if i, ok := s.Try(); ok {
		t.Fatalf("source %d is ready", i)
	}
}

// selectAside calls Wait in another goroutine, and returns when it sleeps in the segment.
func selectAside(t testing.TB, seg *shm.Segment, s *shmsync.Select) <-chan int {
	t.Helper()
	woken := make(chan int, 1)
	go func() {
		i, err := s.Wait(background)
		if err != nil {
			t.Error(err)
		}
		woken <- i
	}()
	asleep.Await(t, seg, 1)
	return woken
}

// wantWoken waits until the Wait of selectAside has returned i.
func wantWoken(t testing.TB, woken <-chan int, i int) {
	t.Helper()
	if got := proctest.Ends(t, woken, "the Select sleeps on"); got != i {
		t.Fatalf("source %d, want %d", got, i)
	}
}

// What the other process does wakes a Select, and so does its death.
func TestSelectReads(t *testing.T) {
	for end, want := range map[string]error{"close": io.EOF, "death": io.ErrUnexpectedEOF} {
		t.Run(end, func(t *testing.T) {
			seg, c, child := selectPipe(t)
			s := newSelect(t, shmsync.Source{}, c.Reads())
			b := make([]byte, 10)
			for range 3 {
				woken := selectAside(t, seg, s)
				tell(child, "write")
				wantWoken(t, woken, 1)
				wantReady(t, s, 1)
				n, err := c.Read(b)
				if n != 1 || err != nil {
					t.Fatal(n, err)
				}
				wantNoneReady(t, s)
			}
			woken := selectAside(t, seg, s)
			if end == "close" {
				tell(child, end)
			} else {
				child.Kill()
			}
			wantWoken(t, woken, 1)
			_, err := c.Read(b)
			wantErr(t, err, want)
			wantReady(t, s, 1) // for ever
		})
	}
}

// A pipe that is full has room when the other process reads, and breaks with it.
func TestSelectWrites(t *testing.T) {
	for _, end := range []string{"close", "death"} {
		t.Run(end, func(t *testing.T) {
			seg, c, child := selectPipe(t)
			s := newSelect(t, c.Writes())
			full := make([]byte, 64)
			for range 3 {
				wantReady(t, s, 0)
				_, err := c.Write(full)
				wantErr(t, err, nil)
				wantNoneReady(t, s)
				woken := selectAside(t, seg, s)
				tell(child, "read")
				wantWoken(t, woken, 0)
			}
			_, err := c.Write(full)
			wantErr(t, err, nil)
			woken := selectAside(t, seg, s)
			if end == "close" {
				tell(child, end)
			} else {
				child.Kill()
			}
			wantWoken(t, woken, 0)
			_, err = c.Write(full)
			wantErr(t, err, syscall.EPIPE)
		})
	}
}

// This process closes the end, or sets a deadline, while a Select sleeps on it.
func TestSelectOfAClosedEnd(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(c *Conn) error
		want error
	}{
		"close":    {(*Conn).Close, net.ErrClosed},
		"read":     {(*Conn).CloseRead, io.EOF},
		"deadline": {func(c *Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			seg, c, _ := selectPipe(t)
			s := newSelect(t, c.Reads(), c.Writes())
			_, err := c.Write(make([]byte, 64))
			wantErr(t, err, nil)
			woken := selectAside(t, seg, s)
			wantErr(t, end.do(c), nil)
			i := proctest.Ends(t, woken, "the Select sleeps on")
			if i != 0 && name != "close" {
				t.Errorf("source %d", i)
			}
			_, err = c.Read(make([]byte, 1))
			wantErr(t, err, end.want)
			wantErr(t, c.Close(), nil)
			for range 3 {
				if _, ok := s.Try(); !ok {
					t.Error("a closed end is not ready")
				}
			}
			again, cancel := context.WithCancel(background)
			cancel()
			if _, err := s.Wait(again); err != nil {
				t.Error(err)
			}
		})
	}
}

// A Read of another goroutine and a Select share what arrives: none sleeps while there are bytes.
func TestSelectBesideARead(t *testing.T) {
	seg, c, child := selectPipe(t)
	s := newSelect(t, c.Reads())
	woken := selectAside(t, seg, s)
	read := make(chan int, 1)
	go func() {
		n, err := c.Read(make([]byte, 1))
		if err != nil {
			t.Error(err)
		}
		read <- n
	}()
	asleep.Await(t, seg, 2)
	tell(child, "write")
	tell(child, "write")
	if n := proctest.Ends(t, read, "the Read sleeps on"); n != 1 {
		t.Error(n)
	}
	wantWoken(t, woken, 0)
	_, err := c.Read(make([]byte, 1))
	wantErr(t, err, nil)
	wantNoneReady(t, s)
}

// roleSelectDials connects to args[0] for each line, and keeps the connection.
var roleSelectDials = proctest.Register("select-dials", func(args []string) {
	for {
		proctest.Hear()
		_, err := Dial(background, args[0], DialOptions{})
		proctest.ExitOn(err)
		proctest.Say("connected")
	}
})

func TestSelectAccepts(t *testing.T) {
	l, path := newListener(t, ListenOptions{Buffer: 64})
	seg := l.(*listener).a.seg
	s := newSelect(t, Accepts(l))
	wantNoneReady(t, s)
	child := proctest.Start(t, roleSelectDials, path)
	for range 3 {
		woken := selectAside(t, seg, s)
		child.Send("go")
		wantWoken(t, woken, 0)
		wantReady(t, s, 0)
		c, err := l.Accept()
		wantErr(t, err, nil)
		child.Expect("connected")
		wantErr(t, c.Close(), nil)
		wantNoneReady(t, s)
	}
	child.Kill()
	l.Close()
	if i, ok := s.Try(); i != 0 || !ok {
		t.Error("a closed listener is not ready")
	}
	_, err := l.Accept()
	wantErr(t, err, net.ErrClosed)
}

// A connection that its dialer has given up is none: Accept would wait.
func TestSelectAcceptsNoDeadDialer(t *testing.T) {
	l, path := newListener(t, ListenOptions{Buffer: 64})
	s := newSelect(t, Accepts(l))
	ctx, cancel := context.WithCancel(background)
	failed := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, path, DialOptions{})
		failed <- err
	}()
	backlog := l.(*listener).backlog
	proctest.Eventually(t, proctest.Hang, func() bool { return backlog.Len() == 1 }, "there is no offer")
	cancel()
	wantErr(t, proctest.Ends(t, failed, "the dialer waits"), context.Canceled)
	wantNoneReady(t, s)
	dialed := make(chan net.Conn, 1)
	go func() {
		c, err := Dial(background, path, DialOptions{})
		proctest.ExitOn(err)
		dialed <- c
	}()
	wantReady(t, s, 0)
	c, err := l.Accept()
	wantErr(t, err, nil)
	wantErr(t, errors.Join(c.Close(), proctest.Ends(t, dialed, "the dialer waits").Close()), nil)
}

func TestAcceptsOfAnotherListener(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Accepts(&net.TCPListener{})
}
