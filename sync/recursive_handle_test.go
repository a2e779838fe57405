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

// Close with the lock held, by another process and by this one.
func TestRecursiveClosed(t *testing.T) {
	seg := newSegment(t)
	m := newRecursive(t, seg)
	h := shmsync.NewHolder()
	other := startRecursiveAgent(t, seg)
	told(t, other, "deep 2", "ok")
	got := make(chan error)
	mine := openAgain(t, seg)
	c := newRecursive(t, mine)
	go func() { got <- c.Lock(background, shmsync.NewHolder()) }()
	asleepOn(t, seg, "r", 1)
	wantErr(t, "close", mine.Close(), nil)
	wantErr(t, "who waited there", <-got, shmsync.ErrClosed)
	told(t, other, "close", "held")
	told(t, other, "unlock", "ok") // reaches no other process
	told(t, other, "lock", "closed")
	wantErr(t, "who comes later", m.Lock(background, h), shmsync.ErrOwnerDied)
	repair(t, m.As(h))

	again := openAgain(t, seg)
	held := newRecursive(t, again)
	wantErr(t, "lock", held.Lock(background, h), nil)
	wantErr(t, "lock", held.Lock(background, h), nil)
	var e *shm.HeldError
	if err := again.Close(); !errors.As(err, &e) || !slices.Equal(e.Objects, []string{"r"}) {
		t.Errorf("close: %v", err)
	}
	wantErr(t, "once more after Close", held.Lock(background, h), shmsync.ErrClosed)
	wantErr(t, "try after Close", held.TryLock(h), shmsync.ErrClosed)
	for range 4 {
		held.Unlock(h)
	}
	_, err := shmsync.OpenRecursiveMutex(again, "r", shmsync.MutexOptions{})
	wantErr(t, "open after Close", err, shmsync.ErrClosed)
	other.Kill()
}

// A32: new, open, and new once more, and what is of another kind; as bytes.
func TestRecursiveHandles(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	m := newRecursive(t, seg)
	_, err = shmsync.OpenRecursiveMutex(seg, "r", shmsync.MutexOptions{})
	wantErr(t, "open what is there", err, nil)
	newMutex(t, seg, "m")
	if _, err := shmsync.NewRecursiveMutex(seg, "m", shmsync.MutexOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.NewMutex(seg, "r", shmsync.MutexOptions{}); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a RecursiveMutex as a Mutex: %v", err)
	}
	b, err := m.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	h := shmsync.NewHolder()
	wantErr(t, "lock", m.Lock(background, h), nil)
	c := proctest.Start(t, recursiveUnmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("r locked")
	m.Unlock(h)
	c.Expect("ok")
	c.WaitOK()
	var same shmsync.RecursiveMutex
	wantErr(t, "unmarshal in the same process", same.UnmarshalBinary(b), nil)
	wantErr(t, "lock", m.Lock(background, h), nil)
	wantErr(t, "lock it by the other handle", same.TryLock(h), nil)
	m.Unlock(h)
	same.Unlock(h)
}

var recursiveUnmarshaler = proctest.Register("recursive-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var m shmsync.RecursiveMutex
	must(m.UnmarshalBinary(b))
	h := shmsync.NewHolder()
	proctest.Say("%s %s", m.Name(), verdict(m.TryLock(h)))
	proctest.Say("%s", verdict(m.Lock(background, h)))
	m.Unlock(h)
})
