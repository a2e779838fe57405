//go:build linux

package shmsync_test

import (
	"encoding/base64"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// New, open, and new once more, for one that is there, is not, or is another.
func TestNewAndOpenWaitGroup(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenWaitGroup(seg, "g", shmsync.WaitGroupOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	g := newWaitGroup(t, seg, "g", false)
	wantErr(t, "add", g.Add(1), nil)
	wantCount(t, newWaitGroup(t, seg, "g", false), 1)
	_, err = shmsync.NewWaitGroup(seg, "g", shmsync.WaitGroupOptions{Undo: true})
	wantErr(t, "make it with undo", err, shm.ErrMismatch)
	newWaitGroup(t, seg, "u", true)
	_, err = shmsync.NewWaitGroup(seg, "u", shmsync.WaitGroupOptions{})
	wantErr(t, "make one with undo without", err, shm.ErrMismatch)
	newMutex(t, seg, "m")
	_, err = shmsync.NewWaitGroup(seg, "m", shmsync.WaitGroupOptions{})
	wantErr(t, "make what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.OpenWaitGroup(seg, "m", shmsync.WaitGroupOptions{})
	wantErr(t, "open what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.NewWaitGroup(seg, "a/b", shmsync.WaitGroupOptions{})
	wantErr(t, "make one with an impossible name", err, fs.ErrInvalid)
}

var waitGroupUnmarshaler = proctest.Register("waitgroup-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var g shmsync.WaitGroup
	must(g.UnmarshalBinary(b))
	proctest.Say("%s %d", g.Name(), g.Count())
	proctest.Say("%s", verdict(g.Wait(background)))
})

// A handle reaches another process as bytes.
func TestMarshalWaitGroup(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		g := newWaitGroup(t, seg, "the work", undo)
		wantErr(t, "add", g.Add(2), nil)
		b, err := g.MarshalBinary()
		wantErr(t, "marshal", err, nil)
		c := proctest.Start(t, waitGroupUnmarshaler, base64.StdEncoding.EncodeToString(b))
		c.Expect("the work 2")
		wantErr(t, "done", g.Add(-2), nil)
		c.Expect("ok")
		c.WaitOK()
		var none shmsync.WaitGroup
		wantErr(t, "unmarshal of something else", none.UnmarshalBinary(b[:10]), shm.ErrFormat)
		mb, err := newMutex(t, seg, "m").MarshalBinary()
		wantErr(t, "marshal a Mutex", err, nil)
		wantErr(t, "a Mutex as a WaitGroup", none.UnmarshalBinary(mb), shm.ErrMismatch)
	})
}
