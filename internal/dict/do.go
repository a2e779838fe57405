package dict

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// Do returns the value of the key, appended to dst. When it is not there, one of all callers in all
// processes runs fill, without a lock, and stores what it returns; the others wait for that, for
// the end of ctx, or for the end of that process, after which the next one fills. Where there is no
// memory for a claim, each fills by itself.
//
// Errors: that of fill, which goes to its caller; [fs.ErrInvalid] when fill asks for its own key;
// those of Set. The value that fill has returned comes with an error of storing it.
func (m *Map) Do(ctx context.Context, dst, key []byte, fill func(context.Context) ([]byte, error)) ([]byte, error) {
	if err := m.checkKey(key); err != nil {
		return dst, err
	}
	hash := m.hash(key)
	for {
		value, ok, err := m.Get(dst, key)
		if ok || err != nil {
			return value, err
		}
		if fillsIn(ctx, m, hash) {
			return dst, segment.Invalid("the function that fills the key asks for the same key: it would wait for itself")
		}
		c, err := m.claim(ctx, hash, key)
		if err != nil {
			return dst, err
		}
		switch {
		case c.there:
		case c.owner == 0:
			return m.fill(ctx, c, dst, hash, key, fill)
		default:
			if err := m.awaitClaim(ctx, c); err != nil {
				return dst, err
			}
		}
	}
}

// A claimed is what a caller of Do has found under the lock.
type claimed struct {
	i     uint64        // number of the stripe
	there bool          // the value is there by now
	owner proctab.Owner // that fills the key; 0: the caller does
	turn  uint32        // of the stripe, when owner had the claim
	token uint64        // of the caller's claim; 0: there is no memory for one
}

// claim claims the key, unless it is there or claimed.
func (m *Map) claim(ctx context.Context, hash uint64, key []byte) (c claimed, err error) {
	c.i = m.stripeOf(hash)
	h, err := m.lock(ctx, c.i)
	if err != nil {
		return c, err
	}
	defer h.unlock(&err)
	if _, c.there, err = h.value(hash, key); c.there || err != nil {
		return c, err
	}
	if other := h.claimOf(hash); other != nil && other.owner&canceled == 0 {
		if c.owner = h.ownerOf(other); c.owner != 0 {
			c.turn = h.turn.Load()
			return c, nil
		}
	}
	token := m.tokens.Add(1)
	ok, err := h.take(ctx, hash, token)
	if ok {
		c.token = token
	}
	return c, err
}

// fill runs fill for the key that is claimed, and stores what it returns.
func (m *Map) fill(ctx context.Context, c claimed, dst []byte, hash uint64, key []byte, fill func(context.Context) ([]byte, error)) ([]byte, error) {
	over := false
	defer func() {
		if !over { // a panic, or Goexit
			m.settleClaim(background, c, hash, nil, nil)
		}
	}()
	value, err := fill(context.WithValue(ctx, fillKey{m, hash}, true))
	if err == nil {
		err = m.check(key, value, DefaultLife)
	}
	if err != nil {
		over = true
		m.settleClaim(background, c, hash, nil, nil)
		return append(dst, value...), err
	}
	over = true
	return append(dst, value...), m.settleClaim(background, c, hash, key, value)
}

// settleClaim ends a claim. It stores the value, if there is a key, unless the key was changed
// since. It does not depend on the context of the caller: the fill is done.
func (m *Map) settleClaim(ctx context.Context, c claimed, hash uint64, key, value []byte) error {
	h, err := m.lock(ctx, c.i)
	if err != nil {
		return err
	}
	valid := c.token == 0 || h.release(hash, c.token)
	if valid && key != nil {
		if m.words {
			err = h.setWord(ctx, hash, key, value)
		} else {
			err = h.set(ctx, hash, key, value, DefaultLife)
		}
	}
	h.unlock(&err)
	m.ringFillers(c.i)
	return err
}

// fillKey marks the context of a fill.
type fillKey struct {
	m    *Map
	hash uint64
}

// fillsIn reports whether ctx is that of a function which fills the key.
func fillsIn(ctx context.Context, m *Map, hash uint64) bool {
	return ctx.Value(fillKey{m, hash}) != nil
}

// awaitClaim waits until a claim of the stripe ends, or its owner.
func (m *Map) awaitClaim(ctx context.Context, c claimed) error {
	l, s := m.at(c.i), m.stripe(c.i)
	if l.addFiller(c.owner) {
		l.bell.NotifyAll() // a goroutine that sleeps already has to watch this owner, too
	}
	defer l.dropFiller(c.owner)
	table := m.s.Table()
	began := wait.Start(ctx)
	err := l.bell.Await(ctx, wait.Adaptive, func() bool {
		return s.turn.Load() != c.turn || l.anyDead(table)
	}, l.watchFillers)
	if err == nil || ctx.Err() == nil {
		return err
	}
	if filler, ok := table.Info(c.owner); ok {
		return fmt.Errorf("the key is being filled by %v: %w", filler, wait.Late(ctx, err, began))
	}
	return wait.Late(ctx, err, began)
}

func (l *localStripe) addFiller(o proctab.Owner) (first bool) {
	l.waits.Lock()
	defer l.waits.Unlock()
	l.fillers[o]++
	return l.fillers[o] == 1 && len(l.fillers) > 1
}

func (l *localStripe) dropFiller(o proctab.Owner) {
	l.waits.Lock()
	defer l.waits.Unlock()
	if l.fillers[o]--; l.fillers[o] == 0 {
		delete(l.fillers, o)
	}
}

// anyDead reports whether a process is dead for which a goroutine waits. One goroutine sleeps for
// all that wait for claims of the stripe: it has to leave when the wait of another is over.
func (l *localStripe) anyDead(table *proctab.Table) bool {
	l.waits.Lock()
	defer l.waits.Unlock()
	for o := range l.fillers {
		if table.Dead(o) {
			return true
		}
	}
	return false
}

// watchFillers has a sleep end with the life of each process for which a goroutine waits.
func (l *localStripe) watchFillers(w *lock.Watch) {
	l.waits.Lock()
	defer l.waits.Unlock()
	for o := range l.fillers {
		w.Process(o)
	}
}

// ringFillers wakes the waiters for claims of a stripe.
func (m *Map) ringFillers(i uint64) { m.at(i).bell.NotifyAll() }
