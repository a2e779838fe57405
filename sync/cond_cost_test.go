//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

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

// 10,000 goroutines of one process need few threads; exactly as many return as are notified, and
// all in the end.
func TestCondCrowd(t *testing.T) {
	seg := newSegment(t)
	c := newCond(t, seg, "c")
	other := startCondAgent(t, seg, shmsync.Adaptive)
	other.Send(fmt.Sprint("wait ", crowd))
	waiting(t, c, crowd)
	asleepOn(t, seg, "c", 1)
	other.Send("threads")
	var n int
	if fmt.Sscan(other.Line(), &n); n < 1 || n > proctest.FewThreads {
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
