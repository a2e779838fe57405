//go:build linux

package shmsync_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var anonymousAcquirer = proctest.Register("semaphore-anonymous", func([]string) {
	seg, err := shm.FromFile(os.NewFile(3, "segment"))
	must(err)
	s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	must(err)
	proctest.Say("%s", unitsVerdict(s.TryAcquire(1)))
	proctest.Say("%s", unitsVerdict(s.Acquire(background, 1)))
	must(s.Release(1))
})

// A35: the same in a segment without a name, which a child inherits.
func TestSemaphoreAnonymous(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg, err := shm.Anonymous(shm.Options{})
		wantErr(t, "make a segment", err, nil)
		defer seg.Close()
		s := newSemaphore(t, seg, "s", 1, shmsync.SemaphoreOptions{Undo: undo})
		wantErr(t, "acquire", s.Acquire(background, 1), nil)
		c := proctest.Command(t, anonymousAcquirer)
		c.Cmd.ExtraFiles = []*os.File{seg.File()}
		c.Start()
		c.Expect("locked")
		wantErr(t, "release", s.Release(1), nil)
		c.Expect("ok")
		c.WaitOK()
		wantAvailable(t, s, 1)
	})
}

// New, open, and new once more, for one that is there, is not, is another, or was removed.
func TestNewAndOpenSemaphore(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	s := newSemaphore(t, seg, "s", 3, shmsync.SemaphoreOptions{Max: 3})
	again := newSemaphore(t, seg, "s", 1, shmsync.SemaphoreOptions{Max: 3})
	wantAvailable(t, again, 3)
	wantErr(t, "acquire by one handle", s.Acquire(background, 2), nil)
	wantErr(t, "release by the other", again.Release(2), nil)
	for _, o := range []shmsync.SemaphoreOptions{{}, {Max: 4}, {Max: 3, Undo: true}, {Undo: true}} {
		_, err = shmsync.NewSemaphore(seg, "s", 3, o)
		wantErr(t, fmt.Sprintf("make it with %+v", o), err, shm.ErrMismatch)
	}
	newSemaphore(t, seg, "u", 3, shmsync.SemaphoreOptions{Undo: true})
	_, err = shmsync.NewSemaphore(seg, "u", 3, shmsync.SemaphoreOptions{})
	wantErr(t, "make one with undo without", err, shm.ErrMismatch)
	u, err := shmsync.OpenSemaphore(seg, "u", shmsync.SemaphoreOptions{})
	wantErr(t, "open one with undo", err, nil)
	wantErr(t, "it has undo", u.Release(1), shmsync.ErrOverRelease)
	newMutex(t, seg, "m")
	_, err = shmsync.NewSemaphore(seg, "m", 1, shmsync.SemaphoreOptions{})
	wantErr(t, "make what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.OpenSemaphore(seg, "m", shmsync.SemaphoreOptions{})
	wantErr(t, "open what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.NewSemaphore(seg, "a/b", 1, shmsync.SemaphoreOptions{})
	wantErr(t, "make one with an impossible name", err, fs.ErrInvalid)
	wantErr(t, "remove", seg.RemoveObject("s"), nil)
	newSemaphore(t, seg, "s", 7, shmsync.SemaphoreOptions{})
	wantAvailable(t, s, 3) // the old one
}

var semaphoreUnmarshaler = proctest.Register("semaphore-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var s shmsync.Semaphore
	must(s.UnmarshalBinary(b))
	proctest.Say("%s %s", s.Name(), unitsVerdict(s.TryAcquire(2)))
	proctest.Hear()
	proctest.Say("%s", unitsVerdict(s.Acquire(background, 2)))
})

// A handle reaches another process as bytes, with what the semaphore is.
func TestMarshalSemaphore(t *testing.T) {
	withAndWithoutUndo(t, func(t *testing.T, undo bool) {
		seg := newSegment(t)
		s := newSemaphore(t, seg, "the units", 2, shmsync.SemaphoreOptions{Undo: undo})
		wantErr(t, "acquire", s.Acquire(background, 1), nil)
		b, err := s.MarshalBinary()
		wantErr(t, "marshal", err, nil)
		c := proctest.Start(t, semaphoreUnmarshaler, base64.StdEncoding.EncodeToString(b))
		c.Expect("the units locked")
		c.Send("go on")
		asleepOn(t, seg, "the units", 1)
		wantErr(t, "release", s.Release(1), nil)
		c.Expect("ok")
		c.WaitOK()
		var same shmsync.Semaphore
		wantErr(t, "unmarshal in the same process", same.UnmarshalBinary(b), nil)
		want := int64(0)
		if undo {
			want = 2
		}
		wantAvailable(t, &same, want)
		var none shmsync.Semaphore
		wantErr(t, "unmarshal of something else", none.UnmarshalBinary(b[:10]), shm.ErrFormat)
		mb, err := newMutex(t, seg, "m").MarshalBinary()
		wantErr(t, "marshal a Mutex", err, nil)
		wantErr(t, "a Mutex as a Semaphore", none.UnmarshalBinary(mb), shm.ErrMismatch)
	})
}
