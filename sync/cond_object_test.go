//go:build linux

package shmsync_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// New, open, and new once more, for a condition variable that is there, is not, is of another kind,
// or was removed.
func TestCondNewAndOpen(t *testing.T) {
	seg := newSegment(t)
	open := func() (*shmsync.Cond, error) { return shmsync.OpenCond(seg, "c", shmsync.CondOptions{}) }
	_, err := open()
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	first, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	second, err := open()
	wantErr(t, "open what is there", err, nil)
	got := make(chan error)
	go func() { got <- condWait(background, first, m) }()
	waiting(t, second, 1)
	if third := newCond(t, seg, "c"); third.Waiting() != 1 || third.Name() != "c" {
		t.Error("the handles are of different condition variables")
	}
	second.Signal()
	wantErr(t, "signalled by another handle", <-got, nil)
	wantErr(t, "remove", seg.RemoveObject("c"), nil)
	_, err = open()
	wantErr(t, "open what was removed", err, fs.ErrNotExist)
	go func() { got <- condWait(background, first, m) }()
	waiting(t, second, 1)
	if n := newCond(t, seg, "c").Waiting(); n != 0 {
		t.Errorf("%d wait for a new one", n)
	}
	second.Signal()
	wantErr(t, "signalled after the removal", <-got, nil)

	_, err = shmsync.NewCond(seg, "m", shmsync.CondOptions{})
	wantErr(t, "make what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.OpenCond(seg, "m", shmsync.CondOptions{})
	wantErr(t, "open what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.NewCond(seg, "a/b", shmsync.CondOptions{})
	wantErr(t, "make one with an impossible name", err, fs.ErrInvalid)
}

// What a caller can do wrong.
func TestCondMisuse(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	wantErr(t, "no lock", c.Wait(background, nil), fs.ErrInvalid)
	wantErr(t, "no lock", c.WaitFor(background, nil, func() bool { return true }), fs.ErrInvalid)
	wantErr(t, "no function", c.WaitFor(background, m, nil), fs.ErrInvalid)
	for range 3 {
		wantPanic(t, "Wait without the lock", "does not hold the lock", func() { c.Wait(background, m) })
		waiting(t, c, 0)
	}
	got := make(chan error)
	go func() { got <- condWait(background, c, m) }()
	waiting(t, c, 1)
	wantPanic(t, "Wait without the lock", "does not hold the lock", func() { c.Wait(background, m) })
	waiting(t, c, 1)
	c.Signal()
	wantErr(t, "the one that waits", <-got, nil)
}

// failing is a lock that cannot be locked again.
type failing struct{ *shmsync.Mutex }

var errFailing = errors.New("not now")

func (failing) Lock(context.Context) error { return errFailing }

// A waiter that does not get the lock again passes its signal on.
func TestCondLockFails(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	first, second := make(chan error), make(chan error)
	wantErr(t, "lock", m.Lock(background), nil)
	go func() { first <- c.Wait(background, failing{m}) }()
	waiting(t, c, 1)
	go func() { second <- condWait(background, c, m) }()
	waiting(t, c, 2)
	c.Signal()
	wantErr(t, "the first", <-first, errFailing)
	wantErr(t, "the second", <-second, nil)
	//clock: the time-out is the subject
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	wantErr(t, "lock", m.Lock(background), nil)
	err := c.Wait(ctx, failing{m})
	wantErr(t, "both errors", err, errFailing)
	wantErr(t, "both errors", err, context.DeadlineExceeded)

	// While the lock waits for repair all waiters learn it, without a signal.
	got := make(chan error)
	for range 5 {
		go func() { got <- condWait(background, c, m) }()
	}
	waiting(t, c, 5)
	dieHolding(t, seg, "m")
	for range 5 {
		wantErr(t, "a waiter", <-got, shmsync.ErrOwnerDied)
	}
	repair(t, m)
}

var condUnmarshaler = proctest.Register("cond-unmarshaler", func(args []string) {
	var m shmsync.Mutex
	var c shmsync.Cond
	for i, u := range []interface{ UnmarshalBinary([]byte) error }{&c, &m} {
		b, err := base64.StdEncoding.DecodeString(args[i])
		must(err)
		must(u.UnmarshalBinary(b))
	}
	proctest.Say("%s", c.Name())
	must(condWait(background, &c, &m))
	proctest.Say("signalled")
})

// A handle reaches another process as bytes.
func TestCondMarshal(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "the cond"), newMutex(t, seg, "m")
	b, err := c.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	mb, err := m.MarshalBinary()
	wantErr(t, "marshal the lock", err, nil)
	other := proctest.Start(t, condUnmarshaler, base64.StdEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString(mb))
	other.Expect("the cond")
	waiting(t, c, 1)
	c.Signal()
	other.Expect("signalled")
	other.WaitOK()
	var none shmsync.Cond
	if _, err := none.MarshalBinary(); err == nil {
		t.Error("a handle of nothing was marshaled")
	}
	wantErr(t, "unmarshal of something else", none.UnmarshalBinary(b[:10]), shm.ErrFormat)
	wantErr(t, "a Mutex as a Cond", none.UnmarshalBinary(mb), shm.ErrMismatch)
}

// A program that hands ordinary variables over by a condition variable has no race, and the
// detector reports none.
func TestCondOrders(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	n := 0
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for range 200 {
				must(m.Lock(background))
				must(c.WaitFor(background, m, func() bool { return n%3 == i }))
				n++
				c.Broadcast()
				m.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 600 {
		t.Errorf("counted to %d", n)
	}
}

// What was done before Signal is seen by the waiter, also when the lock is not what orders them.
func TestCondSignalOrders(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	n := 0
	got := make(chan int)
	go func() {
		must(condWait(background, c, m))
		got <- n
	}()
	waiting(t, c, 1)
	n = 1
	c.Signal()
	if seen := <-got; seen != 1 {
		t.Errorf("seen %d", seen)
	}
}
