package wait

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// perPoller is how many parked goroutines one poller serves: each may bring
// MaxWords words and shares the kick word.
const perPoller = (futex.MaxWords - 1) / MaxWords

// A poller is one thread that sleeps for many goroutines.
type poller struct {
	kick    uint32 // futex; changed when entries were added
	entries []*entry
	asleep  bool
}

// An entry is one parked goroutine. Guarded by pollersMu until it is woken.
type entry struct {
	words [MaxWords]futex.Word
	n     int
	until time.Time
	woken chan struct{} // buffered: one wake-up
}

var (
	pollersMu sync.Mutex
	pollers   []*poller

	entryPool = sync.Pool{New: func() any { return &entry{woken: make(chan struct{}, 1)} }}
)

func parkPolled(ctx context.Context, c *Closer, limit time.Duration, words []futex.Word) {
	e := entryPool.Get().(*entry)
	e.n = copy(e.words[:], words)
	e.until = time.Now().Add(limit)
	p := enlist(e)
	select {
	case <-e.woken: // a word changed or was woken, or the limit has passed
	case <-ctx.Done():
		p.dismiss(e)
	case <-c.Done():
		p.dismiss(e)
	}
	e.words = [MaxWords]futex.Word{}
	entryPool.Put(e)
}

// enlist gives e to a poller with room, and starts one when there is none.
func enlist(e *entry) *poller {
	pollersMu.Lock()
	defer pollersMu.Unlock()
	for _, p := range pollers {
		if len(p.entries) < perPoller {
			p.entries = append(p.entries, e)
			p.wake()
			return p
		}
	}
	p := &poller{entries: []*entry{e}}
	pollers = append(pollers, p)
	go p.run()
	return p
}

func (p *poller) wake() {
	atomic.AddUint32(&p.kick, 1)
	if p.asleep {
		futex.Wake(&p.kick, 1)
	}
}

// dismiss takes e back. The poller may still sleep on its words: they belong to
// shared pages, which the kernel identifies by file and offset, and the poller
// does not look at them again.
func (p *poller) dismiss(e *entry) {
	pollersMu.Lock()
	defer pollersMu.Unlock()
	if i := slices.Index(p.entries, e); i >= 0 {
		p.entries = slices.Delete(p.entries, i, i+1)
		p.wake()
		return
	}
	<-e.woken // it was woken at the same time
}

// run serves entries until there are none.
func (p *poller) run() {
	var v futex.Vector
	var owner [futex.MaxWords]*entry
	for {
		pollersMu.Lock()
		p.asleep = false
		p.release(nil)
		if len(p.entries) == 0 {
			pollers = slices.DeleteFunc(pollers, func(q *poller) bool { return q == p })
			pollersMu.Unlock()
			return
		}
		limit := p.load(&v, &owner)
		p.asleep = true
		pollersMu.Unlock()
		i := v.Wait(limit)
		if i > 0 {
			pollersMu.Lock()
			p.release(owner[i])
			pollersMu.Unlock()
		}
	}
}

// load fills the vector with the words of all entries, the kick word first, and
// returns how long the shortest of them may sleep.
func (p *poller) load(v *futex.Vector, owner *[futex.MaxWords]*entry) time.Duration {
	v.Reset()
	v.Add(futex.Word{Addr: &p.kick, Val: atomic.LoadUint32(&p.kick)})
	limit := Backstop
	for _, e := range p.entries {
		for _, w := range e.words[:e.n] {
			owner[v.Len()] = e
			v.Add(w)
		}
		limit = min(limit, time.Until(e.until))
	}
	return max(limit, 0)
}

// release wakes the entries that have something to see, and this one if it is still there.
func (p *poller) release(this *entry) {
	now := time.Now()
	p.entries = slices.DeleteFunc(p.entries, func(e *entry) bool {
		if e != this && !changed(e.words[:e.n]) && now.Before(e.until) {
			return false
		}
		e.woken <- struct{}{}
		return true
	})
}
