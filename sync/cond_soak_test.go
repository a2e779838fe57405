//go:build linux

package shmsync_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A condSoak is a place for up to condSoakSize goods. A process that brings or takes one signals
// the waiters for that, while it holds the lock. A process that finds a dead holder wakes all
// waiters.
type condSoak struct {
	m       *shmsync.Mutex
	changed [2]*shmsync.Cond // goods have come, goods have gone
	goods   *shm.RawValue[int64]
	trades  [2]*shm.Int64
}

const condSoakSize = 3

func newCondSoak(seg *shm.Segment) (*condSoak, error) {
	var k condSoak
	var errs [6]error
	k.m, errs[0] = shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	k.changed[0], errs[1] = shmsync.NewCond(seg, "come", shmsync.CondOptions{})
	k.changed[1], errs[2] = shmsync.NewCond(seg, "gone", shmsync.CondOptions{Wait: shmsync.Park})
	k.goods, errs[3] = shm.NewRawValue[int64](seg, "goods", 0)
	k.trades[0], errs[4] = shm.NewInt64(seg, "brought", 0)
	k.trades[1], errs[5] = shm.NewInt64(seg, "taken", 0)
	return &k, errors.Join(errs[:]...)
}

// lock locks, and goes on after the death of a trader that held the lock.
func (k *condSoak) lock() {
	if mustLock(k.m) { // the number of goods is whole, but a signal may be missing
		k.changed[0].Broadcast()
		k.changed[1].Broadcast()
	}
}

// trade brings one (side 0), or takes one (side 1).
func (k *condSoak) trade(side int) {
	k.lock()
	goods, by := k.goods.Pointer(), int64(1-2*side)
	for next := *goods + by; next < 0 || next > condSoakSize; next = *goods + by {
		if err := k.changed[1-side].Wait(background, k.m); errors.Is(err, shmsync.ErrOwnerDied) {
			k.m.Unlock()
			k.lock()
		} else {
			must(err)
		}
	}
	*goods += by
	k.changed[side].Signal()
	k.m.Unlock()
	k.trades[side].Add(1)
}

// cond-trader: SEGMENT SIDE. Two goroutines trade.
var condTrader = proctest.Register("cond-trader", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	k, err := newCondSoak(seg)
	must(err)
	side := map[string]int{"bring": 0, "take": 1}[args[1]]
	go func() {
		for {
			k.trade(side)
		}
	}()
	for {
		k.trade(side)
	}
})

// Traders are killed all the time. No living trader waits for a signal that does not come: trade
// goes on. The number of goods is what was brought and not taken, apart from traders that died
// before they counted.
func TestCondTradersDie(t *testing.T) {
	t.Parallel()
	seg := newSegment(t)
	k, err := newCondSoak(seg)
	wantErr(t, "make the objects", err, nil)
	sides := []string{"bring", "bring", "take", "take"}
	traders := make([]*proctest.Child, len(sides))
	for i, side := range sides {
		traders[i] = proctest.Start(t, condTrader, seg.Path(), side)
	}
	traded := func() int64 { return k.trades[0].Load() + k.trades[1].Load() }
	kills := times(30)
	for kill := range kills {
		proctest.Stagger(10 * time.Millisecond) // a random moment is the subject
		i := rand.IntN(len(traders))
		traders[i].Kill()
		if kill%3 == 0 { // the others have to go on without a newcomer that looks after the lock
			before := traded()
			proctest.Eventually(t, hangs, func() bool { return traded() > before }, "trade goes on")
		}
		traders[i] = proctest.Start(t, condTrader, seg.Path(), sides[i])
	}
	before := traded()
	proctest.Eventually(t, hangs, func() bool { return traded() > before+100 }, "trade goes on in the end")
	for _, c := range traders {
		c.Kill()
	}
	goods, difference := *k.goods.Pointer(), k.trades[0].Load()-k.trades[1].Load()
	if goods < 0 || goods > condSoakSize || goods-difference > int64(2*(kills+len(sides))) || difference-goods > int64(2*(kills+len(sides))) {
		t.Errorf("%d goods, %d more brought than taken, after %d deaths", goods, difference, kills)
	}
	t.Logf("%d trades, %d deaths", traded(), kills)
}
