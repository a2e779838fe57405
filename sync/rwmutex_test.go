//go:build linux

package shmsync_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

const rwAgentRole = "rwmutex-agent"

// rwAgent: SEGMENT. It does what it is told with the RWMutex a, and reports how that went:
//
//	lock, try, timed, rlock, try-rlock, timed-rlock, unlock, runlock, repair (timed waits for at most soon)
//	brief, brief-rlock (wait for at most ten milliseconds)
var rwAgent = proctest.Register(rwAgentRole, func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	proctest.Say("ready")
	for {
		proctest.Say("%s", verdict(rwObey(m, proctest.Hear())))
	}
})

func rwObey(m *shmsync.RWMutex, order string) error {
	limit := soon
	if strings.HasPrefix(order, "brief") {
		limit = 10 * time.Millisecond //clock: the time-out is the subject
	}
	ctx, cancel := context.WithTimeout(background, limit)
	defer cancel()
	switch order {
	case "lock":
		return m.Lock(background)
	case "rlock":
		return m.RLock(background)
	case "timed", "brief":
		return m.Lock(ctx)
	case "timed-rlock", "brief-rlock":
		return m.RLock(ctx)
	case "try":
		return m.TryLock()
	case "try-rlock":
		return m.TryRLock()
	case "unlock":
		m.Unlock()
	case "runlock":
		m.RUnlock()
	case "repair":
		return m.LockRepair(background, repaired)
	default:
		panic("no such order: " + order)
	}
	return nil
}

func newRWMutexIn(t testing.TB, seg *shm.Segment, o shmsync.RWMutexOptions) *shmsync.RWMutex {
	t.Helper()
	m, err := shmsync.NewRWMutex(seg, "a", o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func startRWAgent(t testing.TB, seg *shm.Segment) *proctest.Child {
	t.Helper()
	c := proctest.Start(t, rwAgent, seg.Path())
	c.Expect("ready")
	return c
}

// rwWithin locks as a test does that would rather fail than wait for ever.
func rwWithin(d time.Duration, lock func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return lock(ctx)
}

// A37: what try and timed calls say of a lock that another process holds, for reading or for
// writing.
func TestRWMutexTryAndTimed(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	other := startRWAgent(t, seg)
	for range 3 {
		told(t, other, "rlock", "ok")
		wantErr(t, "TryLock of a read-locked lock", m.TryLock(), shmsync.ErrLocked)
		//clock: the time-out is the subject
		wantErr(t, "timed Lock of a read-locked lock", rwWithin(10*time.Millisecond, m.Lock), context.DeadlineExceeded)
		wantErr(t, "TryRLock of a read-locked lock", m.TryRLock(), nil)
		wantErr(t, "timed RLock of a read-locked lock", rwWithin(soon, m.RLock), nil)
		told(t, other, "try-rlock", "ok")
		told(t, other, "runlock", "ok")
		told(t, other, "runlock", "ok")
		told(t, other, "try", "locked")
		told(t, other, "brief", "deadline")
		m.RUnlock()
		told(t, other, "try", "locked")
		m.RUnlock()
		told(t, other, "try", "ok")
		for way, lock := range map[string]func() error{"TryLock": m.TryLock, "TryRLock": m.TryRLock} {
			wantErr(t, way+" of a write-locked lock", lock(), shmsync.ErrLocked)
		}
		for way, lock := range map[string]func(context.Context) error{"Lock": m.Lock, "RLock": m.RLock} {
			//clock: the time-out is the subject
			wantErr(t, "timed "+way+" of a write-locked lock", rwWithin(10*time.Millisecond, lock), context.DeadlineExceeded)
		}
		told(t, other, "try", "locked")
		told(t, other, "try-rlock", "locked")
		told(t, other, "unlock", "ok")
		wantErr(t, "timed Lock of a free lock", rwWithin(soon, m.Lock), nil)
		told(t, other, "brief-rlock", "deadline")
		told(t, other, "try-rlock", "locked")
		m.Unlock()
		told(t, other, "timed-rlock", "ok")
		told(t, other, "runlock", "ok")
	}
	other.Kill()
}

// What can be done at once is done, though the context has ended.
func TestRWMutexEndedContext(t *testing.T) {
	ended, cancel := context.WithCancelCause(background)
	cause := errors.New("enough")
	cancel(cause)
	for _, first := range []string{"RLock", "Lock"} {
		m := newRWMutexIn(t, newSegment(t), shmsync.RWMutexOptions{})
		if first == "RLock" {
			wantErr(t, "RLock of a free lock", m.RLock(ended), nil)
			wantErr(t, "RLock again", m.RLock(ended), nil)
			wantErr(t, "Lock of a read-locked lock", m.Lock(ended), cause)
			m.RUnlock()
			m.RUnlock()
		}
		wantErr(t, "Lock of a free lock", m.Lock(ended), nil)
		wantErr(t, "RLock of a write-locked lock", m.RLock(ended), cause)
		wantErr(t, "Lock of a write-locked lock", m.Lock(ended), cause)
		m.Unlock()
	}
}

// Misuse panics and changes nothing.
func TestRWMutexMisuse(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	other := startRWAgent(t, seg)
	misuse := func(held string) {
		t.Helper()
		if held != "read" {
			wantPanic(t, "RUnlock", "does not hold the lock for reading", m.RUnlock)
		}
		wantPanic(t, "Unlock", "does not hold the lock for writing", m.Unlock)
	}
	misuse("")
	told(t, other, "lock", "ok")
	misuse("")
	told(t, other, "try-rlock", "locked")
	told(t, other, "unlock", "ok")
	told(t, other, "rlock", "ok")
	misuse("")
	//clock: the time-out is the subject
	wantErr(t, "Lock while another reads", rwWithin(10*time.Millisecond, m.Lock), context.DeadlineExceeded)
	told(t, other, "runlock", "ok")
	wantErr(t, "RLock", m.RLock(background), nil)
	misuse("read")
	m.RUnlock()
	wantErr(t, "Lock", m.TryLock(), nil)
	wantPanic(t, "RUnlock by a writer", "does not hold the lock for reading", m.RUnlock)
	told(t, other, "try", "locked")
	m.Unlock()
	misuse("")
	told(t, other, "try", "ok")
	other.Kill()
}

// A32: new, open, and new once more, for a lock that is there, is not, is of another kind, or was
// removed.
func TestRWMutexNewAndOpen(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenRWMutex(seg, "a", shmsync.RWMutexOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	first := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "lock it", first.TryLock(), nil)
	for what, f := range map[string]func(*shm.Segment, string, shmsync.RWMutexOptions) (*shmsync.RWMutex, error){
		"open": shmsync.OpenRWMutex, "make": shmsync.NewRWMutex,
	} {
		m, err := f(seg, "a", shmsync.RWMutexOptions{})
		wantErr(t, what+" what is there", err, nil)
		wantErr(t, what+" what is there and lock it", m.TryLock(), shmsync.ErrLocked)
		if m.Name() != "a" {
			t.Errorf("name %q", m.Name())
		}
	}
	wantErr(t, "remove", seg.RemoveObject("a"), nil)
	_, err = shmsync.OpenRWMutex(seg, "a", shmsync.RWMutexOptions{})
	wantErr(t, "open what was removed", err, fs.ErrNotExist)
	second := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "the new one is free", second.TryRLock(), nil)
	first.Unlock()
	second.RUnlock()

	newMutex(t, seg, "m")
	var mismatch *shm.MismatchError
	if _, err := shmsync.NewRWMutex(seg, "m", shmsync.RWMutexOptions{}); !errors.As(err, &mismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.OpenRWMutex(seg, "m", shmsync.RWMutexOptions{}); !errors.As(err, &mismatch) {
		t.Errorf("open what is a Mutex: %v", err)
	}
	_, err = shmsync.NewRWMutex(seg, "a/b", shmsync.RWMutexOptions{})
	wantErr(t, "a lock with an impossible name", err, fs.ErrInvalid)
}

var rwUnmarshaler = proctest.Register("rwmutex-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var m shmsync.RWMutex
	must(m.UnmarshalBinary(b))
	proctest.Say("%s %s %s", m.Name(), verdict(m.TryRLock()), verdict(m.TryLock()))
	proctest.Hear()
	m.RUnlock()
})

// A handle reaches another process as bytes.
func TestRWMutexMarshal(t *testing.T) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	wantErr(t, "RLock", m.RLock(background), nil)
	b, err := m.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, rwUnmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("a ok locked")
	m.RUnlock()
	wantErr(t, "Lock while the other reads", m.TryLock(), shmsync.ErrLocked)
	c.Send("go on")
	c.WaitOK()
	wantErr(t, "Lock", m.TryLock(), nil)
	m.Unlock()
	var none shmsync.Mutex
	var mismatch *shm.MismatchError
	if err := none.UnmarshalBinary(b); !errors.As(err, &mismatch) {
		t.Errorf("an RWMutex as a Mutex: %v", err)
	}
	var nothing shmsync.RWMutex
	wantErr(t, "unmarshal of nothing", nothing.UnmarshalBinary(nil), shm.ErrFormat)
	if _, err := nothing.MarshalBinary(); err == nil {
		t.Error("a handle of nothing was marshaled")
	}
}

// Handles of one process share everything, and two attachments of it are two parties.
func TestRWMutexHandles(t *testing.T) {
	seg := newSegment(t)
	a, b := newRWMutexIn(t, seg, shmsync.RWMutexOptions{}), newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	far := newRWMutexIn(t, openAgain(t, seg), shmsync.RWMutexOptions{})
	for range 50 {
		wantErr(t, "RLock by the first", a.RLock(background), nil)
		wantErr(t, "RLock by the second", b.RLock(background), nil)
		wantErr(t, "RLock by the far one", far.RLock(background), nil)
		a.RUnlock()
		a.RUnlock()
		wantPanic(t, "RUnlock", "does not hold", b.RUnlock)
		wantErr(t, "Lock by the second", b.TryLock(), shmsync.ErrLocked)
		got := make(chan error)
		go func() { got <- b.Lock(background) }()
		far.RUnlock()
		wantErr(t, "Lock by the second", <-got, nil)
		go func() { got <- far.RLock(background) }()
		a.Unlock()
		wantErr(t, "RLock by the far one", <-got, nil)
		far.RUnlock()
	}
}
