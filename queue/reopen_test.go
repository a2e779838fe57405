package queue

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// closable is what TestReopen needs of a queue of any kind.
type closable struct {
	put           func() error
	get           func() error
	close, reopen func() error
	closed        func() bool
}

// openClosable makes or finds a queue of each kind, named after it.
var openClosable = map[string]func(seg *shm.Segment, name string) (closable, error){
	"Queue": func(seg *shm.Segment, name string) (closable, error) {
		q, err := NewQueue[int64](seg, name, 4, Options{})
		return closable{
			func() error { return q.TryPut(1) }, func() error { _, err := q.TryGet(); return err },
			q.Close, q.Reopen, q.Closed,
		}, err
	},
	"SPSC": func(seg *shm.Segment, name string) (closable, error) {
		q, err := NewSPSC[int64](seg, name, 4, Options{})
		return closable{
			func() error { return q.TryPut(1) }, func() error { _, err := q.TryGet(); return err },
			q.Close, q.Reopen, q.Closed,
		}, err
	},
	"Bytes": func(seg *shm.Segment, name string) (closable, error) {
		b, err := NewBytes(seg, name, 64, Options{})
		return closable{
			func() error { return b.TryPut([]byte("x")) }, func() error { _, err := b.TryGet(); return err },
			b.Close, b.Reopen, b.Closed,
		}, err
	},
	"Objects": func(seg *shm.Segment, name string) (closable, error) {
		q, err := NewObjects[string](seg, name, 64, Options{})
		return closable{
			func() error { return q.TryPut("x") }, func() error { _, err := q.TryGet(); return err },
			q.Close, q.Reopen, q.Closed,
		}, err
	},
	"Broadcast": func(seg *shm.Segment, name string) (closable, error) {
		b, err := NewBroadcast[int64](seg, name, 4, Options{})
		if err != nil {
			return closable{}, err
		}
		r := b.mustSubscribe(FromOldest)
		return closable{
			func() error { return b.Put(background, 1) }, func() error { _, err := r.TryGet(); return err },
			b.Close, b.Reopen, b.Closed,
		}, nil
	},
}

// roleCloser closes the queue of kind args[1] in the segment args[0].
var roleCloser = proctest.Register("closer", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	q, err := openClosable[args[1]](seg, args[1])
	proctest.ExitOn(err)
	proctest.ExitOn(q.close())
	proctest.Say("closed")
	proctest.Hear()
	proctest.ExitOn(seg.Close())
})

// A queue of any kind that another process has closed says which queue it is and which process has
// closed it, and can be opened again, once it is empty.
func TestReopenAnyKind(t *testing.T) {
	for kind, open := range openClosable {
		t.Run(kind, func(t *testing.T) {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			t.Cleanup(func() { seg.Close() })
			q, err := open(seg, kind)
			wantErr(t, err, nil)
			wantErr(t, q.reopen(), nil)
			for range 3 {
				wantErr(t, q.put(), nil)
				c := proctest.Start(t, roleCloser, path, kind)
				c.Expect("closed")
				if left := q.reopen(); kind == "Broadcast" { // its messages stay in any case
					wantErr(t, left, nil)
					wantErr(t, q.close(), nil)
				} else if !errors.Is(left, fs.ErrInvalid) || !strings.Contains(left.Error(), `"`+kind+`"`) {
					t.Errorf("with a message in it: %v", left)
				}
				wantErr(t, q.get(), nil)
				for _, err := range []error{q.get(), q.put()} {
					for _, m := range []string{`"` + kind + `"`, path, "pid ", "Reopen"} {
						if !errors.Is(err, ErrClosed) || !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), m) {
							t.Errorf("%v: is no ErrClosed, or does not mention %q", err, m)
						}
					}
				}
				c.Send("")
				c.WaitOK()
				wantErr(t, q.reopen(), nil)
				if q.closed() {
					t.Error("closed after Reopen")
				}
				wantErr(t, q.get(), ErrEmpty)
			}
			wantErr(t, q.put(), nil)
			wantErr(t, q.get(), nil)
			wantErr(t, seg.Close(), nil)
			wantErr(t, q.reopen(), shm.ErrClosed)
		})
	}
}
