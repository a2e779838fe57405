package pipe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/errno"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A tally checks and counts the bytes of a stream: byte i of it is patternAt(i), which is not 0.
type tally struct{ n int }

func patternAt(i int) byte { return byte(1 + i%251) }

// Write implements [io.Writer].
func (c *tally) Write(b []byte) (int, error) {
	for i, v := range b {
		if v != patternAt(c.n+i) {
			return i, fmt.Errorf("byte %d is %d", c.n+i, v)
		}
	}
	c.n += len(b)
	return len(b), nil
}

// writePattern writes the stream in pieces of several sizes until an error, and returns how much it
// wrote.
func writePattern(w io.Writer) (n int, err error) {
	for size := 1; err == nil; size = size*7%5000 + 1 {
		b := make([]byte, size)
		for i := range b {
			b[i] = patternAt(n + i)
		}
		var wrote int
		wrote, err = w.Write(b)
		n += wrote
	}
	return n, err
}

// A process that closes the segment in the middle of its reads and writes has written what it
// counts, which the other end reads, and has read nothing that was not written.
func TestSegmentClosedInTheMiddle(t *testing.T) {
	reads := map[string]func(c *Conn, to *tally) error{
		"Read": func(c *Conn, to *tally) error {
			b := make([]byte, 1000)
			for {
				n, err := c.Read(b)
				if _, bad := to.Write(b[:n]); bad != nil {
					return bad
				}
				if err != nil {
					return err
				}
			}
		},
		"WriteTo": func(c *Conn, to *tally) error { _, err := c.WriteTo(to); return err },
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			rounds := 40
			if testing.Short() {
				rounds = 10
			}
			path := filepath.Join(proctest.Dir(t), "segment")
			stays, err := shm.Create(path, shm.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer stays.Close()
			for round := range rounds {
				leaveInTheMiddle(t, path, stays, fmt.Sprint("pipe", round), read)
			}
		})
	}
}

func leaveInTheMiddle(t *testing.T, path string, stays *shm.Segment, name string, read func(*Conn, *tally) error) {
	t.Helper()
	there, err := New(stays, name, Options{Buffer: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	leaving, err := shm.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := Open(leaving, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var wrote, came int
	all.Go(func() {
		var err error
		if wrote, err = writePattern(here); !errors.Is(err, os.ErrClosed) {
			t.Errorf("write of the process that leaves: %v", err)
		}
	})
	all.Go(func() {
		if err := read(here, new(tally)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("read of the process that leaves: %v", err)
		}
	})
	all.Go(func() {
		if _, err := writePattern(there); !errors.Is(err, errno.BrokenPipe) {
			t.Errorf("write of the process that stays: %v", err)
		}
	})
	all.Go(func() {
		to := new(tally)
		if err := read(there, to); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read of the process that stays: %v", err)
		}
		came = to.n
	})
	proctest.Stagger(2 * time.Millisecond)
	if err := leaving.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	if came != wrote {
		t.Errorf("%d bytes were written, and %d came", wrote, came)
	}
}
