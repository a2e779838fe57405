//go:build crashtest

package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// rolePipeCrash does operation args[1] at the path args[0], is killed at its args[2]-th point, and writes the name of each
// point that it passes to a file beside the segment.
var rolePipeCrash = proctest.Register("pipe-crash", func(args []string) {
	n, err := strconv.Atoi(args[2])
	exitOn(err)
	f, err := os.OpenFile(filepath.Dir(args[0])+"/points", os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	exitOn(err)
	operation := pipeOperations[args[1]](args[0])
	crashpoint.Trace(func(name string) { fmt.Fprintln(f, name) })
	proctest.Say("ready")
	crashpoint.Arm(n)
	exitOn(operation())
	crashpoint.Disarm()
	crashpoint.Trace(nil)
	proctest.Say("done")
})

// pipeOperations prepare what may die, and return it.
var pipeOperations = map[string]func(path string) func() error{
	"talk": func(path string) func() error {
		seg, err := shm.Open(path)
		exitOn(err)
		return func() error {
			c, err := OpenPipe(seg, "p", PipeOptions{})
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
func talk(c *Pipe) error {
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

// sweepPipe calls scene for every point of the operation, with a child that is killed there, until the child comes through.
func sweepPipe(t *testing.T, op string, scene func(t *testing.T, path string, start func() (ended func() (points []string, survived bool)))) {
	all := map[string]bool{}
	for n := 1; ; n++ {
		path := proctest.Dir(t) + "/segment"
		last := false
		scene(t, path, func() func() ([]string, bool) {
			child := proctest.Start(t, rolePipeCrash, path, op, strconv.Itoa(n))
			child.Expect("ready")
			return func() ([]string, bool) {
				state := child.Wait()
				if last = state.Success(); !last {
					if state.Exited() {
						t.Fatalf("%v; stderr:\n%s", state, child.Stderr())
					}
					diedByKill(t, state)
				}
				points := passed(t, path)
				for _, p := range points {
					all[p] = true
				}
				return points, last
			}
		})
		if t.Failed() {
			t.Fatalf("killed at point %d", n)
		}
		if last {
			t.Logf("%d points: %v", n-1, sorted(all))
			return
		}
	}
}

// A process is killed at every point of taking an end, writing, reading and closing. The other one reads what was
// published, and is told of the death.
func TestCrashOfAPipesPeer(t *testing.T) {
	sweepPipe(t, "talk", func(t *testing.T, path string, start func() func() ([]string, bool)) {
		seg, err := shm.Create(path, shm.Options{})
		wantErr(t, err, nil)
		defer seg.Close()
		c, err := NewPipe(seg, "p", PipeOptions{Buffer: 64, start: ^uint64(0) - 100})
		wantErr(t, err, nil)
		defer c.Close()
		ended := start()
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
		points, survived := ended()
		if !slices.Contains(points, "pipe.taken") { // nobody else is there, or ever was
			other, err := OpenPipe(seg, "p", PipeOptions{})
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
	sweepPipe(t, "dial", func(t *testing.T, path string, start func() func() ([]string, bool)) {
		l, err := Listen(path, ListenOptions{})
		wantErr(t, err, nil)
		defer l.Close()
		go serveEcho(l)
		ended := start()
		ended()
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
	sweepPipe(t, "serve", func(t *testing.T, path string, start func() func() ([]string, bool)) {
		ended := start()
		over := make(chan struct{})
		dialed := make(chan error, 1)
		go func() { dialed <- dialUntil(path, over) }()
		_, survived := ended()
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
			err = c.(*Pipe).CloseWrite()
		}
		if err == nil {
			_, err = io.ReadAll(c)
		}
		return err
	}
}
