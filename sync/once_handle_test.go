//go:build linux

package shmsync_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A process that closes the segment while it runs the function, for longer than Close waits, is
// replaced, too.
func TestOnceClosed(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	mine := openAgain(t, seg)
	c := newOnce(t, mine)
	running, finish, got := make(chan bool), make(chan bool), make(chan error)
	go func() {
		got <- c.Do(background, func() error { running <- true; <-finish; return nil })
	}()
	<-running
	waiter := make(chan error)
	go func() { waiter <- c.Do(background, func() error { return nil }) }()
	asleepOn(t, seg, "o", 1)
	var held *shm.HeldError
	if err := mine.Close(); !errors.As(err, &held) || !slices.Equal(held.Objects, []string{"o"}) {
		t.Errorf("close: %v", err)
	}
	wantErr(t, "who waited there", <-waiter, shmsync.ErrClosed)
	wantErr(t, "who comes elsewhere", o.Do(background, func() error { return nil }), nil)
	finish <- true
	wantErr(t, "who ran it in vain", <-got, shmsync.ErrClosed)
	_, err := shmsync.OpenOnce(mine, "o", shmsync.OnceOptions{})
	wantErr(t, "open afterwards", err, shmsync.ErrClosed)

	again := openAgain(t, seg)
	done, fresh := newOnce(t, again), func() *shmsync.Once {
		o, err := shmsync.NewOnce(again, "fresh", shmsync.OnceOptions{})
		must(err)
		return o
	}()
	wantErr(t, "close", again.Close(), nil)
	wantErr(t, "what was done", done.Do(background, nil), nil)
	wantErr(t, "what was not", fresh.Do(background, func() error { return nil }), shmsync.ErrClosed)
	if !done.Done() || fresh.Done() {
		t.Error("what is done changes with Close")
	}
}

// A32: new, open, and new once more, and what is of another kind; as bytes.
func TestOnceHandles(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenOnce(seg, "o", shmsync.OnceOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	o := newOnce(t, seg)
	again, err := shmsync.OpenOnce(seg, "o", shmsync.OnceOptions{})
	wantErr(t, "open what is there", err, nil)
	wantErr(t, "do", o.Do(background, func() error { return nil }), nil)
	if !again.Done() || !newOnce(t, seg).Done() {
		t.Error("handles of one Once differ")
	}
	newMutex(t, seg, "m")
	if _, err := shmsync.NewOnce(seg, "m", shmsync.OnceOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.NewOnce(seg, "a/b", shmsync.OnceOptions{}); err == nil {
		t.Error("a Once was made under an impossible name")
	}
	b, err := o.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, onceUnmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("o true")
	c.WaitOK()
	var m shmsync.Mutex
	if err := m.UnmarshalBinary(b); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a Once as a Mutex: %v", err)
	}
}

var onceUnmarshaler = proctest.Register("once-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var o shmsync.Once
	must(o.UnmarshalBinary(b))
	proctest.Say("%s %v", o.Name(), o.Done())
})
