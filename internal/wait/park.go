package wait

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// Backstop bounds every sleep. It is what a lost wake-up can cost.
const Backstop = time.Second

// MaxWords is how many words one Park can wait for.
const MaxWords = 4

// directMax is how many goroutines of a process may each hold a thread in the kernel.
const directMax = 8

var direct atomic.Int32 // goroutines parked in the kernel by themselves

// A sleeper is what one direct sleep needs; they are reused.
type sleeper struct {
	vector futex.Vector
	cancel uint32 // futex; changed by the end of the context
}

var sleepers = sync.Pool{New: func() any { return new(sleeper) }}

// Park sleeps until a word differs from its value or is woken, ctx ends, c is
// closed, or limit (at most [Backstop]) has passed. It does not say which of them
// it was, and may return for no reason: the caller looks at its words, at ctx and at c.
//
// At most [MaxWords] words; their memory must stay mapped until Park returns.
func Park(ctx context.Context, c *Closer, limit time.Duration, words ...futex.Word) {
	limit = min(limit, Backstop)
	if changed(words) || c.Closed() {
		return
	}
	switch {
	case !futex.HasWaitAny():
		parkTimed(ctx, c, limit, words)
	case direct.Add(1) <= directMax:
		parkDirect(ctx, c, limit, words)
		direct.Add(-1)
	default:
		direct.Add(-1)
		parkPolled(ctx, c, limit, words)
	}
}

func parkDirect(ctx context.Context, c *Closer, limit time.Duration, words []futex.Word) {
	s := sleepers.Get().(*sleeper)
	s.vector.Reset()
	for _, w := range words {
		s.vector.Add(w)
	}
	s.vector.Add(futex.Word{Addr: &c.word, Val: 0})
	if ctx.Done() == nil {
		s.vector.Wait(limit)
		sleepers.Put(s)
		return
	}
	was := atomic.LoadUint32(&s.cancel)
	s.vector.Add(futex.Word{Addr: &s.cancel, Val: was})
	stop := context.AfterFunc(ctx, func() {
		atomic.AddUint32(&s.cancel, 1)
		futex.Wake(&s.cancel, 1)
	})
	s.vector.Wait(limit)
	if stop() { // otherwise the function may still run: it keeps the sleeper
		sleepers.Put(s)
	}
}

// parkTimed serves where the kernel can wait for one word only: it sleeps on the
// first, for a growing while, and looks at the others in between.
func parkTimed(ctx context.Context, c *Closer, limit time.Duration, words []futex.Word) {
	const longest = 16 * time.Millisecond
	nap := 500 * time.Microsecond
	for end := time.Now().Add(limit); ; nap = min(2*nap, longest) {
		left := time.Until(end)
		if left <= 0 || changed(words) || c.Closed() || ctx.Err() != nil {
			return
		}
		if futex.Wait(words[0], min(nap, left)) == futex.Woken {
			return
		}
	}
}

func changed(words []futex.Word) bool {
	for _, w := range words {
		if atomic.LoadUint32(w.Addr) != w.Val {
			return true
		}
	}
	return false
}
