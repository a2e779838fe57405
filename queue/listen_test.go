package queue

import (
	"context"
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
	"github.com/shmkit/shmkit/internal/segment"
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
			c.(*Pipe).Close()
		})
	}
}

// roleServe serves at args[0], and ends its listening when it hears a line.
var roleServe = proctest.Register("listen-echo", func(args []string) {
	l, err := Listen(args[0], ListenOptions{Backlog: 2})
	exitOn(err)
	proctest.Say("listening")
	go func() {
		proctest.Hear()
		l.Close()
	}()
	exitOn(serveEcho(l))
	proctest.Say("closed")
})

// roleMute listens at args[0] and never accepts.
var roleMute = proctest.Register("listen-mute", func(args []string) {
	l, err := Listen(args[0], ListenOptions{Backlog: 1})
	exitOn(err)
	proctest.Say("listening")
	proctest.Hear()
	l.Close()
	proctest.Say("closed")
	proctest.Hear()
})

// roleDial dials args[0] and says how it went.
var roleDial = proctest.Register("dial", func(args []string) {
	proctest.Say("dialing")
	c, err := Dial(background, args[0], DialOptions{})
	exitOn(err)
	proctest.Say("connected")
	proctest.Hear()
	c.Close()
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
	c.SetDeadline(time.Now().Add(10 * time.Second))
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

// Nobody listens: at once, and whatever is there instead.
func TestDialRefused(t *testing.T) {
	path := proctest.Dir(t) + "/listener"
	refused := func() {
		t.Helper()
		began := time.Now()
		_, err := Dial(background, path, DialOptions{})
		wantErr(t, err, syscall.ECONNREFUSED)
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
	}
	refused()
	l, err := Listen(path, ListenOptions{})
	wantErr(t, err, nil)
	_, err = Listen(path, ListenOptions{})
	wantErr(t, err, syscall.EADDRINUSE)
	wantErr(t, l.Close(), nil)
	wantErr(t, l.Close(), nil)
	refused()
	_, err = l.Accept()
	wantErr(t, err, net.ErrClosed)

	child := proctest.Start(t, roleMute, path)
	child.Expect("listening")
	_, err = Listen(path, ListenOptions{})
	wantErr(t, err, syscall.EADDRINUSE)
	kill(t, child)
	refused()
	l, err = Listen(path, ListenOptions{})
	wantErr(t, err, nil)
	go serveEcho(l)
	echoes(t, dial(t, path), "after a dead one")
	l.Close()
}

// A segment that holds something else is no listener's, and stays.
func TestListenLeavesOthersAlone(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	if _, err := NewQueue[int64](seg, "q", 1, Options{}); err != nil {
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

// What ends the wait of a dialer that is not accepted, with room in the backlog and without.
func TestDialWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(child *proctest.Child, cancel context.CancelFunc)
		want error
	}{
		"death":  {func(child *proctest.Child, _ context.CancelFunc) { child.Kill() }, syscall.ECONNREFUSED},
		"close":  {func(child *proctest.Child, _ context.CancelFunc) { child.Send("close"); child.Expect("closed") }, syscall.ECONNREFUSED},
		"cancel": {func(_ *proctest.Child, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			path := proctest.Dir(t) + "/listener"
			child := proctest.Start(t, roleMute, path)
			child.Expect("listening")
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			errs := make(chan error, 3)
			for range cap(errs) { // one is in the backlog, the others wait for room
				go func() {
					_, err := Dial(ctx, path, DialOptions{})
					errs <- err
				}()
			}
			time.Sleep(20 * time.Millisecond)
			began := time.Now()
			c.end(child, cancel)
			for range cap(errs) {
				select {
				case err := <-errs:
					wantErr(t, err, c.want)
				case <-time.After(soon):
					t.Fatal("a dialer still waits")
				}
			}
			t.Logf("all ended after %v", time.Since(began))
			if name != "death" {
				child.Kill()
			}
		})
	}
}

// Dialers that die at any time leave nothing that holds up others, and the listener removes what they left.
func TestDialerDies(t *testing.T) {
	l, path := newListener(t, ListenOptions{Backlog: 4})
	for range 3 {
		child := proctest.Start(t, roleDial, path)
		child.Expect("dialing")
		proctest.Eventually(t, soon, func() bool { return l.(*listener).backlog.Len() > 0 }, "it has offered its pipe")
		kill(t, child)
	}
	served := make(chan error, 1)
	go func() { served <- serveEcho(l) }()
	echoes(t, dial(t, path), "next")
	l.(*listener).sweep()
	for name := range l.(*listener).a.seg.Objects() {
		if name != listenerName && name != backlogName {
			t.Errorf("%s is left", name)
		}
	}
	l.Close()
	for c := range attachmentsOf(path) {
		t.Errorf("attached to %s still", c)
	}
}

// attachmentsOf yields the places where Dial and Listen would find an attachment to path.
func attachmentsOf(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		attachmentsMu.Lock()
		defer attachmentsMu.Unlock()
		if a := attachments[placeOf(path)]; a != nil {
			yield(a.place)
		}
	}
}

// Accepted or not, connections that are over leave nothing: no object, and no memory.
func TestDialsLeaveNothing(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 500
	}
	path := proctest.Dir(t) + "/listener"
	child := proctest.Start(t, roleServe, path)
	child.Expect("listening")
	c := dial(t, path)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range n / 4 {
				c, err := Dial(background, path, DialOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				echoes(t, c, "x")
				c.Close()
			}
		})
	}
	all.Wait()
	seg := c.(*Pipe).p.o.Seg
	objects := 0
	for range 5 { // the other process may still be closing
		objects = 0
		seg.Names(func(string, segment.Kind) bool { objects++; return true })
		time.Sleep(10 * time.Millisecond)
	}
	if objects != 2 {
		t.Errorf("%d objects are left", objects)
	}
	info, err := os.Stat(path)
	wantErr(t, err, nil)
	if real := info.Sys().(*syscall.Stat_t).Blocks * 512; real > 32<<20 {
		t.Errorf("%d dials took %d bytes", n, real)
	}
	wantErr(t, reopen(t, path).Check(), nil)
	c.Close()
	child.Send("close")
	child.Expect("closed")
	child.WaitOK()
}
