//go:build linux

package shmsync_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

const condKind = segment.KindCond

// seats is how many seats of the condition variable "c" have been handed out.
func seats(t testing.TB, seg *shm.Segment) int {
	return int(binary.NativeEndian.Uint32(payload(t, seg, condKind, "c")[16:]))
}

// New, open, and new once more, for a condition variable that is there, is not, is of another kind, or was removed.
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
	_, err = shmsync.NewCond(seg, "", shmsync.CondOptions{})
	wantErr(t, "make one without a name", err, fs.ErrInvalid)
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
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	wantErr(t, "lock", m.Lock(background), nil)
	err := c.Wait(ctx, failing{m})
	wantErr(t, "both errors", err, errFailing)
	wantErr(t, "both errors", err, context.DeadlineExceeded)

	// Once the lock is useless all waiters learn it, without a signal.
	got := make(chan error)
	for range 5 {
		go func() { got <- condWait(background, c, m) }()
	}
	waiting(t, c, 5)
	dieHolding(t, seg, "m")
	wantErr(t, "lock", m.Lock(background), shmsync.ErrOwnerDied)
	m.Unlock()
	began := time.Now()
	for range 5 {
		wantErr(t, "a waiter", <-got, shmsync.ErrNotRecoverable)
	}
	if took := time.Since(began); took > soon {
		t.Errorf("they learnt it after %v", took)
	}
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

// Waiters get ErrClosed when their process closes the segment, and do not hold the lock, wherever that is. What they had
// been granted goes to others.
func TestCondClose(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	elsewhere := newMutex(t, newSegment(t), "elsewhere")
	mine := openAgain(t, seg)
	closed, locks := newCond(t, mine, "c"), newMutex(t, mine, "m")
	got := make(chan error)
	for i := range 10 {
		l := []*shmsync.Mutex{locks, elsewhere}[i%2]
		go func() { got <- condWait(background, closed, l) }()
	}
	waiting(t, c, 10)
	wantErr(t, "close", mine.Close(), nil)
	for range 10 {
		err := <-got
		wantErr(t, "a waiter", err, shmsync.ErrClosed)
		wantErr(t, "a waiter", err, os.ErrClosed)
	}
	wantErr(t, "the lock elsewhere", elsewhere.TryLock(), nil)
	waiting(t, c, 0)
	wantErr(t, "wait afterwards", closed.Wait(background, elsewhere), shmsync.ErrClosed)
	wantErr(t, "the lock elsewhere", elsewhere.TryLock(), nil)
	elsewhere.Unlock()
	go func() { got <- condWait(background, c, m) }()
	waiting(t, c, 1)
	closed.Signal()
	closed.Notify(3)
	closed.Broadcast()
	closed.Waiting()
	waiting(t, c, 1)
	c.Signal()
	wantErr(t, "signalled", <-got, nil)
	_, err := closed.MarshalBinary()
	wantErr(t, "marshal afterwards", err, shmsync.ErrClosed)
}

// A process is signalled and closes the segment before its waiter has the lock: another one gets the signal.
func TestCondCloseAfterSignal(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	mine := openAgain(t, seg)
	closed, locks := newCond(t, mine, "c"), newMutex(t, mine, "m")
	got, other := make(chan error), make(chan error)
	go func() { got <- condWait(background, closed, locks) }()
	waiting(t, c, 1)
	go func() { other <- condWait(background, c, m) }()
	waiting(t, c, 2)
	wantErr(t, "lock", m.Lock(background), nil)
	c.Signal()
	time.Sleep(5 * time.Millisecond) // the waiter in the first seat waits for the lock
	wantErr(t, "close", mine.Close(), nil)
	wantErr(t, "the waiter", <-got, shmsync.ErrClosed)
	m.Unlock()
	began := time.Now()
	wantErr(t, "the other", <-other, nil)
	if took := time.Since(began); took > soon {
		t.Errorf("the signal arrived after %v", took)
	}
}

// A program that hands ordinary variables over by a condition variable has no race, and the detector reports none.
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

// Whatever is written over a condition variable, each call ends, with its context at the latest, and nothing panics.
func TestCondGarbage(t *testing.T) {
	seg := newSegment(t)
	c, m := newCond(t, seg, "c"), newMutex(t, seg, "m")
	mem := payload(t, seg, condKind, "c")
	var wg sync.WaitGroup
	end := time.Now().Add(longer(time.Second))
	for i := range 6 {
		wg.Go(func() {
			for time.Now().Before(end) {
				began := time.Now()
				switch err := condWithin(c, m, time.Millisecond); {
				case err == nil, verdict(err) == "deadline", errors.Is(err, shm.ErrCorrupt), errors.Is(err, shmsync.ErrTooManyWaiters):
				default:
					t.Error(err)
				}
				switch i % 3 {
				case 0:
					c.Signal()
				case 1:
					c.Notify(3)
				default:
					c.Broadcast()
				}
				if n := c.Waiting(); n < 0 {
					t.Errorf("%d wait", n)
				}
				if took := time.Since(began); took > soon {
					t.Errorf("took %v", took)
				}
			}
		})
	}
	wg.Go(func() {
		for time.Now().Before(end) {
			scrawl(mem[:256]) // the lock, the head, and the first seats
			scrawl(mem)
			time.Sleep(20 * time.Microsecond)
		}
	})
	wg.Wait()
	clear(mem) // or it may look as if this process held its lock
}

const condEchoRounds = 500

// cond-echo: SEGMENT. It takes turns with the test: it adds one whenever the number is odd.
var condEcho = proctest.Register("cond-echo", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	p, err := newCondParty(seg)
	must(err)
	proctest.Say("ready")
	for {
		p.turn(1)
	}
})

type condParty struct {
	m     *shmsync.Mutex
	conds [2]*shmsync.Cond
	n     *shm.RawValue[int64]
}

func newCondParty(seg *shm.Segment) (*condParty, error) {
	var p condParty
	var errs [4]error
	p.m, errs[0] = shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	for i := range p.conds {
		p.conds[i], errs[1+i] = shmsync.NewCond(seg, fmt.Sprint("c", i), shmsync.CondOptions{})
	}
	p.n, errs[3] = shm.NewRawValue[int64](seg, "n", 0)
	return &p, errors.Join(errs[:]...)
}

// turn waits until it is the turn of party i, and ends it.
func (p *condParty) turn(i int64) {
	must(p.m.Lock(background))
	for *p.n.Pointer()%2 != i {
		must(p.conds[i].Wait(background, p.m))
	}
	*p.n.Pointer()++
	p.m.Unlock()
	p.conds[1-i].Signal()
}

// A round of signals between two processes allocates nothing, and none is lost.
func TestCondAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	seg := newSegment(t)
	p, err := newCondParty(seg)
	wantErr(t, "make the objects", err, nil)
	other := proctest.Start(t, condEcho, seg.Path())
	other.Expect("ready")
	began := time.Now()
	if n := testing.AllocsPerRun(condEchoRounds, func() { p.turn(0) }); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
	t.Logf("%v a round", time.Since(began)/condEchoRounds)
	other.Kill()
	if n := testing.AllocsPerRun(condEchoRounds, func() {
		p.conds[0].Signal()
		p.conds[0].Broadcast()
		p.conds[0].Waiting()
	}); n != 0 {
		t.Errorf("%v allocations without waiters", n)
	}
}

// 10,000 goroutines of one process need few threads; exactly as many return as are notified, and all in the end.
func TestCondCrowd(t *testing.T) {
	seg := newSegment(t)
	c := newCond(t, seg, "c")
	other := startCondAgent(t, seg, shmsync.Adaptive)
	other.Send(fmt.Sprint("wait ", crowd))
	waiting(t, c, crowd)
	time.Sleep(30 * time.Millisecond)
	other.Send("threads")
	var n int
	if fmt.Sscan(other.Line(), &n); n < 1 || n > 16 {
		t.Errorf("the process has %d threads", n)
	}
	c.Notify(crowd / 2)
	waiting(t, c, crowd/2)
	for range crowd / 2 {
		other.Expect("ok")
	}
	silent(t, other)
	began := time.Now()
	c.Broadcast()
	for range crowd / 2 {
		other.Expect("ok")
	}
	t.Logf("%d goroutines were through after %v", crowd/2, time.Since(began))
	waiting(t, c, 0)
	other.Kill()
}
