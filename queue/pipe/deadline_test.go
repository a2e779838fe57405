package pipe

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/shm"
)

// What ends an operation that waits, and with which error.
func TestPipeWaitsEnd(t *testing.T) {
	type scene struct {
		name string
		end  func(own, other *Conn, seg *shm.Segment)
		read error
		wrap error // of a write
	}
	for _, s := range []scene{
		{"own close", func(own, _ *Conn, _ *shm.Segment) { own.Close() }, net.ErrClosed, net.ErrClosed},
		{"other close", func(_, other *Conn, _ *shm.Segment) { other.Close() }, io.EOF, syscall.EPIPE},
		{"own half", func(own, _ *Conn, _ *shm.Segment) { own.CloseRead(); own.CloseWrite() }, io.EOF, syscall.EPIPE},
		{"other half", func(_, other *Conn, _ *shm.Segment) { other.CloseRead(); other.CloseWrite() }, io.EOF, syscall.EPIPE},
		{"segment", func(_, _ *Conn, seg *shm.Segment) { seg.Close() }, net.ErrClosed, net.ErrClosed},
		{"segment, as such", func(_, _ *Conn, seg *shm.Segment) { seg.Close() }, shm.ErrClosed, shm.ErrClosed},
		//clock: the deadline is the subject
		{"deadline", func(own, _ *Conn, _ *shm.Segment) { own.SetDeadline(time.Now().Add(time.Millisecond)) },
			os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"past deadline", func(own, _ *Conn, _ *shm.Segment) { own.SetDeadline(time.Unix(1, 0)) },
			os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
	} {
		for policyName, policy := range policies {
			for _, sleeps := range []bool{false, true} {
				t.Run(s.name+"/"+policyName, func(t *testing.T) {
					t.Parallel()
					seg := newSegment(t, shm.Options{})
					own, err := New(seg, "p", Options{Buffer: 64, Wait: policy})
					wantErr(t, err, nil)
					other, err := Open(seg, "p", Options{})
					wantErr(t, err, nil)
					defer other.Close()
					defer own.Close()
					var all sync.WaitGroup
					all.Go(func() {
						_, err := own.Read(make([]byte, 1))
						wantErrorf(t, "read", err, s.read)
					})
					all.Go(func() {
						n, err := own.Write(make([]byte, 100))
						if n > 64 {
							t.Error(n)
						}
						wantErrorf(t, "write", err, s.wrap)
					})
					if sleeps && policyName != "spin" {
						asleep.Await(t, seg, 2)
					}
					s.end(own, other, seg)
					all.Wait()
				})
			}
		}
	}
}

func wantErrorf(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	if timeout, ok := err.(net.Error); want == os.ErrDeadlineExceeded && (!ok || !timeout.Timeout()) {
		t.Errorf("%s: %v is no time-out", what, err)
	}
}

// A deadline that has passed can be set anew.
func TestPipeDeadlineAgain(t *testing.T) {
	a, b := newPair(t, Options{})
	got := make([]byte, 1)
	b.SetReadDeadline(time.Now().Add(-time.Second))
	a.Write([]byte("x"))
	_, err := b.Read(got)
	wantErr(t, err, os.ErrDeadlineExceeded)
	b.SetReadDeadline(time.Time{})
	if n, err := b.Read(got); n != 1 || err != nil {
		t.Error(n, err)
	}
	b.SetReadDeadline(time.Now().Add(5 * time.Millisecond)) //clock: the deadline is the subject
	_, err = b.Read(got)
	wantErr(t, err, os.ErrDeadlineExceeded)
	b.SetReadDeadline(time.Now().Add(time.Hour))
	a.Write([]byte("y"))
	if n, err := b.Read(got); n != 1 || err != nil {
		t.Error(n, err)
	}
}
