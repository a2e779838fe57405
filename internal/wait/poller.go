package wait

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// A poller is one thread that sleeps for many goroutines. It ends when there are none.
type poller struct {
	kick uint32 // futex; changed when the poller shall look at its entries

	// Guarded by pollersMu.
	entries []*entry
	words   int  // of all entries
	asleep  bool // it sleeps, or is about to, and has not been kicked

	// For the poller only.
	vector futex.Vector
	owners [futex.MaxWords]*entry // the entry of each word in the vector
}

// An entry is one parked goroutine.
type entry struct {
	words [MaxWords]futex.Word
	n     int
	until time.Time
	over  bool          // the goroutine does not want to wait any longer; guarded by pollersMu
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
	e.until = endOf(limit)
	p := enlist(e)
	select {
	case <-e.woken: // a word changed or was woken, or the limit has passed
	case <-ctx.Done(): // the caller no longer waits
		p.dismiss(e)
	case <-c.Done(): // the segment is being closed
		p.dismiss(e)
	}
	e.words, e.over = [MaxWords]futex.Word{}, false
	entryPool.Put(e)
}

// enlist gives e to a poller with room, and starts one when there is none.
func enlist(e *entry) *poller {
	pollersMu.Lock()
	defer pollersMu.Unlock()
	for _, p := range pollers {
		if 1+p.words+e.n <= futex.MaxWords { // one word is the kick
			p.add(e)
			p.wake()
			return p
		}
	}
	p := new(poller)
	p.add(e)
	pollers = append(pollers, p)
	go p.run()
	return p
}

func (p *poller) add(e *entry) {
	p.entries = append(p.entries, e)
	p.words += e.n
}

func (p *poller) wake() {
	atomic.AddUint32(&p.kick, 1)
	if p.asleep {
		p.asleep = false // once is enough
		futex.Wake(&p.kick, 1)
	}
}

// dismiss takes e back, and waits until the poller does not sleep on its words any more. Until then
// the kernel could give it a wake-up that is meant for another waiter, and that the caller, which
// no longer waits, could not pass on.
func (p *poller) dismiss(e *entry) {
	pollersMu.Lock()
	e.over = true
	p.wake()
	pollersMu.Unlock()
	<-e.woken
}

// run serves entries until there are none.
func (p *poller) run() {
	for woken := -1; ; {
		pollersMu.Lock()
		p.asleep = false
		p.release(woken)
		if len(p.entries) == 0 {
			pollers = slices.DeleteFunc(pollers, func(q *poller) bool { return q == p })
			pollersMu.Unlock()
			return
		}
		limit := p.load()
		p.asleep = true
		pollersMu.Unlock()
		woken = p.vector.Wait(limit)
	}
}

// load fills the vector with the words of all entries, the kick word first, and
// returns how long the shortest of them may sleep.
func (p *poller) load() time.Duration {
	clear(p.owners[:])
	p.vector.Reset()
	p.vector.Add(futex.Word{Addr: &p.kick, Val: atomic.LoadUint32(&p.kick)})
	until := p.entries[0].until
	for _, e := range p.entries {
		for _, w := range e.words[:e.n] {
			p.owners[p.vector.Len()] = e
			p.vector.Add(w)
		}
		if e.until.Before(until) {
			until = e.until
		}
	}
	return time.Until(until)
}

// release ends the wait of each entry that has a changed word or is past its time, and of the entry
// that owns the word with the index woken, which ended the sleep on the vector of words.
func (p *poller) release(woken int) {
	var hit *entry // none for the kick word
	if woken > 0 {
		hit = p.owners[woken]
	}
	now := time.Now()
	p.entries = slices.DeleteFunc(p.entries, func(e *entry) bool {
		if e != hit && !e.over && !changed(e.words[:e.n]) && now.Before(e.until) {
			return false
		}
		p.words -= e.n
		e.woken <- struct{}{}
		return true
	})
}
