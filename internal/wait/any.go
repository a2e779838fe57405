package wait

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// groupWords is how many words one sleep in the kernel is for. The rest of what the kernel can wait
// for at once is left for the words that end the sleep.
const groupWords = 120

// An Any is a sleep on any number of words, which is used again and again by one goroutine at a
// time. It holds a thread while it sleeps: one, and one more for each further 120 words. The zero
// value has no words. It must not be copied.
//
// The kernel reports one wake-up and uses up all others that came before the sleeper ran. The
// caller has to look at everything, and to pass on what was not meant for it.
type Any struct {
	poked uint32 // futex; changed by Poke
	over  uint32 // futex; changed when the first group has woken and the others shall, too
	words []futex.Word
	first futex.Vector

	further []*futex.Vector // of the further groups; kept for the next sleep
	asleep  sync.WaitGroup  // the further groups
}

// Reset takes all words out. A sleep that ends leaves none, so that the memory of the words is not
// referred to for longer.
func (a *Any) Reset() {
	clear(a.words)
	a.words = a.words[:0]
}

// Add adds a word. Its memory must stay mapped until Sleep returns.
func (a *Any) Add(w futex.Word) { a.words = append(a.words, w) }

// AddCloser has the sleep end with c.Close.
func (a *Any) AddCloser(c *Closer) { a.Add(futex.Word{Addr: &c.word, Val: 0}) }

// Poke ends the sleep, or keeps one from beginning whose ticket was taken before. Any goroutine may
// call it at any time.
func (a *Any) Poke() {
	atomic.AddUint32(&a.poked, 1)
	futex.Wake(&a.poked, 1)
}

// Ticket is for the Sleep that follows. What calls Poke from here on ends it.
func (a *Any) Ticket() uint32 { return atomic.LoadUint32(&a.poked) }

// Sleep sleeps until a word differs from its value or is woken, a is poked, ctx ends, or limit (at
// most [Longest]) has passed. It does not say which of them it was, and may return for no reason.
// When it has returned, no thread sleeps on any of the words.
func (a *Any) Sleep(ctx context.Context, ticket uint32, limit time.Duration) {
	defer a.Reset()
	limit = min(limit, longest())
	if limit <= 0 || ctx.Err() != nil {
		return
	}
	if ctx.Done() != nil {
		// it may run later: a Poke that ends nothing does no harm
		stop := context.AfterFunc(ctx, a.Poke)
		defer stop()
	}
	poked := futex.Word{Addr: &a.poked, Val: ticket}
	if !futex.HasWaitAny() {
		a.nap(poked, limit)
		return
	}
	limit = time.Until(endOf(limit))
	own := min(len(a.words), groupWords)
	a.startFurther(a.words[own:], limit)
	load(&a.first, a.words[:own], poked)
	a.first.Wait(limit)
	a.first.Reset()
	if len(a.words) > own {
		atomic.AddUint32(&a.over, 1)
		futex.Wake(&a.over, len(a.further))
		a.asleep.Wait()
	}
}

// startFurther has a goroutine sleep on each further group, which pokes a when it wakes.
func (a *Any) startFurther(words []futex.Word, limit time.Duration) {
	over := futex.Word{Addr: &a.over, Val: atomic.LoadUint32(&a.over)}
	for g := 0; len(words) > 0; g++ {
		n := min(len(words), groupWords)
		if g == len(a.further) {
			a.further = append(a.further, new(futex.Vector))
		}
		v := a.further[g]
		load(v, words[:n], over)
		a.asleep.Go(func() {
			v.Wait(limit)
			v.Reset()
			a.Poke()
		})
		words = words[n:]
	}
}

// load fills an empty vector.
func load(v *futex.Vector, words []futex.Word, end futex.Word) {
	for _, w := range words {
		v.Add(w)
	}
	v.Add(end)
}

// nap is Sleep where the kernel can wait for one word only: it naps for a growing while, and looks
// at all words in between. See parkTimed.
func (a *Any) nap(poked futex.Word, limit time.Duration) {
	end := time.Now().Add(limit)
	for nap := firstNap; ; nap = min(2*nap, longestNap) {
		left := time.Until(end)
		if left <= 0 || atomic.LoadUint32(poked.Addr) != poked.Val || changed(a.words) {
			return
		}
		futex.Wait(poked, min(nap, left))
	}
}
