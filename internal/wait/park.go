package wait

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

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
// closed, or limit (at most [MaxSleep]) has passed. It does not say which of them
// it was, and may return for no reason: the caller looks at its words, at ctx and at c.
//
// From one to [MaxWords] words; their memory must stay mapped until Park returns.
func Park(ctx context.Context, c *Closer, limit time.Duration, words ...futex.Word) {
	if len(words) == 0 || len(words) > MaxWords {
		panic("wait.Park: a wait is for one to four words")
	}
	limit = min(limit, longest())
	if limit <= 0 || changed(words) || c.Closed() || ctx.Err() != nil {
		return
	}
	thread := direct.Add(1) <= directMax
	if !thread {
		direct.Add(-1)
	}
	switch {
	case !futex.HasWaitAny():
		parkTimed(ctx, c, limit, words, thread)
	case thread:
		parkDirect(ctx, c, time.Until(endOf(limit)), words)
	default:
		parkPolled(ctx, c, limit, words)
	}
	if thread {
		direct.Add(-1)
	}
}

// ParkShared is [Park] without a thread of its own: one thread sleeps for all callers. It is for
// waits that last as long as an attachment does.
func ParkShared(ctx context.Context, c *Closer, limit time.Duration, words ...futex.Word) {
	limit = min(limit, longest())
	switch {
	case limit <= 0 || changed(words) || c.Closed() || ctx.Err() != nil:
	case !futex.HasWaitAny():
		parkTimed(ctx, c, limit, words, false)
	default:
		parkPolled(ctx, c, limit, words)
	}
}

func parkDirect(ctx context.Context, c *Closer, limit time.Duration, words []futex.Word) {
	s := sleepers.Get().(*sleeper)
	for _, w := range words {
		s.vector.Add(w)
	}
	s.vector.Add(futex.Word{Addr: &c.word, Val: 0})
	reusable := true
	if ctx.Done() == nil {
		s.vector.Wait(limit)
	} else {
		s.vector.Add(futex.Word{Addr: &s.cancel, Val: atomic.LoadUint32(&s.cancel)})
		stop := context.AfterFunc(ctx, func() {
			atomic.AddUint32(&s.cancel, 1)
			futex.Wake(&s.cancel, 1)
		})
		s.vector.Wait(limit)
		reusable = stop() // otherwise the function may still run, and needs the word
	}
	s.vector.Reset()
	if reusable {
		sleepers.Put(s)
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
