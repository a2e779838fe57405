//go:build crashtest && linux

package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleCrash does operation args[1] at the path args[0], and dies at the crash point of a sweep.
var roleCrash = proctest.Register("pipe-crash", func(args []string) {
	operation := pipeOperations[args[1]](args[0])
	proctest.Say("ready")
	proctest.Armed(func() { proctest.ExitOn(operation()) })
	proctest.Say("done")
})

// pipeOperations prepare what may die, and return it.
var pipeOperations = map[string]func(path string) func() error{
	"talk": func(path string) func() error {
		seg, err := shm.Open(path)
		proctest.ExitOn(err)
		return func() error {
			c, err := Open(seg, "p", Options{})
			if err == nil {
				err = talk(c)
			}
			return err
		}
	},
	"dial": func(path string) func() error {
		return func() error {
			c, err := Dial(background, path, DialOptions{})
			if err != nil {
				return err
			}
			if _, err := c.Write([]byte("x")); err != nil {
				return err
			}
			if _, err := c.Read(make([]byte, 1)); err != nil {
				return err
			}
			return c.Close()
		}
	},
	"serve": func(path string) func() error {
		return func() error {
			l, err := Listen(path, ListenOptions{})
			if err != nil {
				return err
			}
			c, err := l.Accept()
			if err != nil {
				return err
			}
			if _, err := io.Copy(c, c); err != nil {
				return err
			}
			c.Close()
			return l.Close()
		}
	},
}

// talk says the speech, hears it, and hangs up.
func talk(c *Conn) error {
	if _, err := c.Write(speech); err != nil {
		return err
	}
	got := make([]byte, len(speech))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, speech) {
		return errors.Join(err, fmt.Errorf("heard %q", got))
	}
	return c.Close()
}

var speech = []byte("Whoever reads this to its end has seen every byte of it, in the order in which it was said: neither more nor less than that, " +
	"whatever has become of the speaker in the meantime.")

// startCrash starts the victim of an operation, which is about to do it.
func startCrash(c *proctest.Crash, path, op string) {
	c.Start(roleCrash, path, op).Expect("ready")
}

// A process is killed at every point of taking an end, writing, reading and closing. The other one
// reads what was published, and is told of the death.
func TestCrashOfAPipesPeer(t *testing.T) {
	proctest.Sweep(t, 10, func(crash *proctest.Crash) {
		path := proctest.Dir(t) + "/segment"
		seg, err := shm.Create(path, shm.Options{})
		wantErr(t, err, nil)
		defer seg.Close()
		c, err := New(seg, "p", Options{Buffer: 64, start: ^uint64(0) - 100})
		wantErr(t, err, nil)
		defer c.Close()
		startCrash(crash, path, "talk")
		heard := make(chan error, 1)
		var got []byte
		go func() {
			var err error
			got, err = io.ReadAll(c)
			heard <- err
		}()
		said := make(chan error, 1)
		go func() {
			_, err := c.Write(speech)
			said <- err
		}()
		survived := crash.Wait()
		points := crash.Points()
		if !slices.Contains(points, "pipe.taken") { // the end is free still
			other, err := Open(seg, "p", Options{})
			wantErr(t, err, nil)
			wantErr(t, talk(other), nil)
		}
		readErr, writeErr := <-heard, <-said
		whole := survived || slices.Contains(points, "pipe.shut") || !slices.Contains(points, "pipe.taken")
		switch {
		case !bytes.HasPrefix(speech, got):
			t.Errorf("heard %q", got)
		case whole && (readErr != nil || writeErr != nil || len(got) != len(speech)):
			t.Errorf("heard %d bytes, %v, %v", len(got), readErr, writeErr)
		case !whole && readErr != io.ErrUnexpectedEOF || writeErr != nil && !errors.Is(writeErr, syscall.EPIPE):
			t.Errorf("read: %v, write: %v", readErr, writeErr)
		}
		wantErr(t, seg.Check(), nil)
	})
}

// A dialer is killed at every point. The listener goes on, and keeps nothing of it.
func TestCrashOfADialer(t *testing.T) {
	proctest.Sweep(t, 10, func(crash *proctest.Crash) {
		path := proctest.Dir(t) + "/listener"
		l, err := Listen(path, ListenOptions{})
		wantErr(t, err, nil)
		defer l.Close()
		go serveEcho(l)
		startCrash(crash, path, "dial")
		crash.Wait()
		c, err := Dial(background, path, DialOptions{})
		wantErr(t, err, nil)
		echoes(t, c, "next")
		wantErr(t, c.Close(), nil)
		l.(*listener).sweep()
		for name := range l.(*listener).a.seg.Objects() {
			if name != listenerName && name != backlogName {
				t.Errorf("%s is left", name)
			}
		}
		wantErr(t, l.(*listener).a.seg.Check(), nil)
	})
}

// A listener is killed at every point. Its dialer is told, and another listener takes its place.
func TestCrashOfAListener(t *testing.T) {
	proctest.Sweep(t, 10, func(crash *proctest.Crash) {
		path := proctest.Dir(t) + "/listener"
		startCrash(crash, path, "serve")
		over := make(chan struct{})
		dialed := make(chan error, 1)
		go func() { dialed <- dialUntil(path, over) }()
		survived := crash.Wait()
		close(over)
		err := proctest.Ends(t, dialed, "the dialer ends")
		if survived && err != nil || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		l, err := Listen(path, ListenOptions{})
		wantErr(t, err, nil)
		go serveEcho(l)
		c, err := Dial(background, path, DialOptions{})
		wantErr(t, err, nil)
		echoes(t, c, "next")
		c.Close()
		l.Close()
	})
}

// dialUntil dials until it is accepted, or over, and then has an echo.
func dialUntil(path string, over <-chan struct{}) error {
	for {
		c, err := Dial(background, path, DialOptions{})
		if err != nil {
			select {
			case <-over:
				return err
			default:
				proctest.Stagger(2 * time.Millisecond)
				continue
			}
		}
		defer c.Close()
		if _, err = c.Write([]byte("hello")); err == nil {
			err = c.(*Conn).CloseWrite()
		}
		if err == nil {
			_, err = io.ReadAll(c)
		}
		return err
	}
}
