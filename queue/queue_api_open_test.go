package queue

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// An opener makes, or opens, an object "x" of one kind and returns its capacity.
type opener struct {
	make func(seg *shm.Segment, capacity int, o Options) (int, error)
	open func(seg *shm.Segment, o Options) (int, error)
}

type capped interface{ Cap() int }

func capOf(q capped, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return q.Cap(), nil
}

var openers = map[string]opener{
	"Bytes": {
		func(seg *shm.Segment, n int, o Options) (int, error) { return capOf(NewBytes(seg, "x", n, o)) },
		func(seg *shm.Segment, o Options) (int, error) { return capOf(OpenBytes(seg, "x", o)) },
	},
	"Objects": {
		func(seg *shm.Segment, n int, o Options) (int, error) {
			return capOf(NewObjects[string](seg, "x", n, o))
		},
		func(seg *shm.Segment, o Options) (int, error) { return capOf(OpenObjects[string](seg, "x", o)) },
	},
	"Broadcast": {
		func(seg *shm.Segment, n int, o Options) (int, error) {
			return capOf(NewBroadcast[int32](seg, "x", n, o))
		},
		func(seg *shm.Segment, o Options) (int, error) { return capOf(OpenBroadcast[int32](seg, "x", o)) },
	},
}

// A61: opening what does not exist, making what does, and what does not fit.
func TestFaceOpenAndMake(t *testing.T) {
	for kind, x := range openers {
		t.Run(kind, func(t *testing.T) {
			seg := newSegment(t, shm.Options{})
			_, err := x.open(seg, Options{})
			wantErr(t, err, fs.ErrNotExist)
			for _, capacity := range []int{0, -1, ring.MaxCapacity + 1} {
				_, err := x.make(seg, capacity, Options{})
				wantErr(t, err, fs.ErrInvalid)
			}
			_, err = x.make(seg, 64, Options{WhenFull: 7})
			wantErr(t, err, fs.ErrInvalid)
			for range 2 {
				n, err := x.make(seg, 64, Options{})
				if err != nil || n != 64 {
					t.Fatal(n, err)
				}
			}
			if n, err := x.open(seg, Options{}); err != nil || n != 64 {
				t.Fatal(n, err)
			}
			_, err = x.make(seg, 200, Options{})
			if wantErr(t, err, shm.ErrMismatch); !strings.Contains(err.Error(), "its capacity is 64") {
				t.Error(err)
			}
			for other, y := range openers {
				if other != kind {
					_, err := y.open(seg, Options{})
					wantErr(t, err, shm.ErrMismatch)
					_, err = y.make(seg, 64, Options{})
					wantErr(t, err, shm.ErrMismatch)
				}
			}
		})
	}
}

// roleBytesPeek looks at a message of the Bytes in the segment args[0], for ever.
var roleBytesPeek = proctest.Register("bytes-peek", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBytes(seg, "b", Options{})
	proctest.ExitOn(err)
	_, err = b.Peek(background)
	proctest.ExitOn(err)
	proctest.Say("looks")
	proctest.Hear()
})

// A68: a producer that waits for the room which a consumer holds goes on when that one is killed;
// not while it lives, stopped or not.
func TestBytesBlockedPutReturnsWhenItsReceiverIsGone(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			t.Cleanup(func() { seg.Close() })
			b, err := NewBytes(seg, "b", 48, Options{Wait: policy}.startingAt(^uint64(0)-63))
			wantErr(t, err, nil)
			wantErr(t, b.TryPut(make([]byte, 48)), nil) // the whole ring
			child := proctest.Start(t, roleBytesPeek, path)
			child.Expect("looks")
			var put error
			done := proctest.MustBlock(t, func() { put = b.Put(background, make([]byte, 48)) })
			child.Signal(syscall.SIGSTOP)
			child.WaitStopped()
			proctest.Blocked(t, done) // else the message was put over one that is looked at
			child.Kill()
			<-done
			wantErr(t, put, nil)
			if s := b.Stats(); s.Abandoned != 1 || b.Len() != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}
