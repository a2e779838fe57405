//go:build linux

package shmsync_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// The results of TryLock, and the processes that get them.
func TestTryLock(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	other := startAgent(t, seg)
	wantErr(t, "free", m.TryLock(), nil)
	wantErr(t, "held by this process", m.TryLock(), shmsync.ErrLocked)
	told(t, other, "try a", "locked")
	m.Unlock()
	told(t, other, "try a", "ok")
	wantErr(t, "held by another", m.TryLock(), shmsync.ErrLocked)
	told(t, other, "unlock a", "ok")
	wantErr(t, "free again", m.TryLock(), nil)
	m.Unlock()
	other.Kill()
}

// Unlock by a process that does not hold the lock panics and changes nothing.
func TestUnlockByNonHolder(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "a")
	wantPanic(t, "Unlock of a free lock", "does not hold the lock", m.Unlock)
	other := startAgent(t, seg)
	told(t, other, "lock a", "ok")
	wantPanic(t, "Unlock of another's lock", "does not hold the lock", m.Unlock)
	wantErr(t, "after that", m.TryLock(), shmsync.ErrLocked)
	told(t, other, "unlock a", "ok")
	wantErr(t, "unlocked by its holder", m.TryLock(), nil)
	m.Unlock()
	wantPanic(t, "the second Unlock", "does not hold the lock", m.Unlock)
	other.Kill()
}

// A32: new, open, and new once more, for a lock that is there, is not, is of another kind, or was
// removed.
func TestNewAndOpen(t *testing.T) {
	seg := newSegment(t)
	open := func() (*shmsync.Mutex, error) { return shmsync.OpenMutex(seg, "a", shmsync.MutexOptions{}) }
	make := func() (*shmsync.Mutex, error) { return shmsync.NewMutex(seg, "a", shmsync.MutexOptions{}) }

	_, err := open()
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	first, err := make()
	wantErr(t, "make it", err, nil)
	wantErr(t, "lock it", first.TryLock(), nil)
	for what, f := range map[string]func() (*shmsync.Mutex, error){"open": open, "make": make} {
		m, err := f()
		wantErr(t, what+" what is there", err, nil)
		wantErr(t, what+" what is there and lock it", m.TryLock(), shmsync.ErrLocked)
		if m.Name() != "a" {
			t.Errorf("name %q", m.Name())
		}
	}
	other := startAgent(t, seg) // makes it in another process
	told(t, other, "try a", "locked")

	wantErr(t, "remove", seg.RemoveObject("a"), nil)
	_, err = open()
	wantErr(t, "open what was removed", err, fs.ErrNotExist)
	second, err := make()
	wantErr(t, "make it anew", err, nil)
	wantErr(t, "the new one is free", second.TryLock(), nil)
	told(t, other, "try a", "locked") // the old one
	first.Unlock()
	told(t, other, "try a", "ok")
	wantErr(t, "the old one is another's", first.TryLock(), shmsync.ErrLocked)
	second.Unlock()
	other.Kill()

	if _, err := shm.NewValue(seg, "v", int64(1)); err != nil {
		t.Fatal(err)
	}
	var mismatch *shm.MismatchError
	if _, err := shmsync.NewMutex(seg, "v", shmsync.MutexOptions{}); !errors.As(err, &mismatch) {
		t.Errorf("make what is a Value: %v", err)
	}
	if _, err := shmsync.OpenMutex(seg, "v", shmsync.MutexOptions{}); !errors.As(err, &mismatch) {
		t.Errorf("open what is a Value: %v", err)
	}
	if _, err := shmsync.NewMutex(seg, "a/b", shmsync.MutexOptions{}); err == nil {
		t.Error("a lock with an impossible name was made")
	}
}

// Two handles of one lock in one process share everything: either unlocks what the other has
// locked.
func TestTwoHandles(t *testing.T) {
	seg := newSegment(t)
	a, b := newMutex(t, seg, "a"), newMutex(t, seg, "a")
	wantErr(t, "lock by the first", a.Lock(background), nil)
	var err error
	waiter := proctest.MustBlock(t, func() { err = b.Lock(background) })
	b.Unlock()
	<-waiter
	wantErr(t, "lock by the second", err, nil)
	a.Unlock()
	wantErr(t, "in the end", a.TryLock(), nil)
	b.Unlock()
}

// A33: a segment that one process has opened twice lies at two addresses, and its lock is one lock
// all the same. The two attachments are two parties: each waits for the other as for another
// process.
func TestTwoAddresses(t *testing.T) {
	seg := newSegment(t)
	again := openAgain(t, seg)
	a, b := newMutex(t, seg, "a"), newMutex(t, again, "a")
	for range 100 {
		wantErr(t, "lock at the first address", a.Lock(background), nil)
		wantErr(t, "try at the second", b.TryLock(), shmsync.ErrLocked)
		wantPanic(t, "unlock at the second", "does not hold", b.Unlock)
		got := make(chan error)
		go func() { got <- b.Lock(background) }()
		a.Unlock()
		wantErr(t, "lock at the second address", <-got, nil)
		wantErr(t, "try at the first", a.TryLock(), shmsync.ErrLocked)
		b.Unlock()
	}
	wantErr(t, "lock at the second address", b.Lock(background), nil)
	if err := again.Close(); err == nil {
		t.Error("a close with a held lock reports nothing")
	}
	wantErr(t, "after the second attachment has gone", a.TryLock(), shmsync.ErrOwnerDied)
	repair(t, a)
}

var unmarshaler = proctest.Register("unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var m shmsync.Mutex
	must(m.UnmarshalBinary(b))
	proctest.Say("%s %s", m.Name(), verdict(m.TryLock()))
	proctest.Hear()
	proctest.Say("%s", verdict(m.Lock(background)))
	m.Unlock()
})

// A handle reaches another process as bytes.
func TestMarshal(t *testing.T) {
	seg := newSegment(t)
	m := newMutex(t, seg, "the lock")
	wantErr(t, "lock", m.Lock(background), nil)
	b, err := m.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, unmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("the lock locked")
	c.Send("go on")
	asleepOn(t, seg, "the lock", 1)
	m.Unlock()
	c.Expect("ok")
	c.WaitOK()

	var same shmsync.Mutex
	wantErr(t, "unmarshal in the same process", same.UnmarshalBinary(b), nil)
	wantErr(t, "lock", same.TryLock(), nil)
	m.Unlock() // they share it
	var none shmsync.Mutex
	if _, err := none.MarshalBinary(); err == nil {
		t.Error("a handle of nothing was marshaled")
	}
	for _, bad := range [][]byte{nil, b[:10], append([]byte{99}, b[1:]...)} {
		wantErr(t, "unmarshal of something else", none.UnmarshalBinary(bad), shm.ErrFormat)
	}
	v, err := shm.NewValue(seg, "v", int64(1))
	wantErr(t, "value", err, nil)
	vb, err := v.MarshalBinary()
	wantErr(t, "marshal the value", err, nil)
	var mismatch *shm.MismatchError
	if err := none.UnmarshalBinary(vb); !errors.As(err, &mismatch) {
		t.Errorf("a Value as a Mutex: %v", err)
	}
	wantErr(t, "remove", seg.RemoveObject("the lock"), nil)
	wantErr(t, "unmarshal of a removed lock", none.UnmarshalBinary(b), shm.ErrRemoved)
}

// go vet finds a copied handle, of every kind.
func TestVetFindsCopies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "vet", "./testdata/copied").CombinedOutput()
	if err == nil {
		t.Errorf("go vet finds nothing:\n%s", out)
	}
	for _, kind := range []string{"Mutex", "RWMutex", "RecursiveMutex", "Semaphore", "Cond", "Event", "Barrier", "Once", "WaitGroup"} {
		if want := "sync." + kind + " contains"; !strings.Contains(string(out), want) {
			t.Errorf("go vet does not find a copied %s:\n%s", kind, out)
		}
	}
}
