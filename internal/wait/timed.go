package wait

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// firstNap and longestNap bound the time between two looks at words for which no wake-up reaches
// this process.
const (
	firstNap   = 500 * time.Microsecond
	longestNap = 16 * time.Millisecond
)

// parkTimed serves where the kernel can wait for one word only: it naps for a growing
// while, on the first word when it may hold a thread, and looks at everything in between.
func parkTimed(ctx context.Context, c *Closer, limit time.Duration, words []futex.Word, thread bool) {
	var timer *time.Timer
	if !thread {
		timer = time.NewTimer(firstNap)
		defer timer.Stop()
	}
	end := time.Now().Add(limit)
	for nap := firstNap; ; nap = min(2*nap, longestNap) {
		left := time.Until(end)
		if left <= 0 || changed(words) || c.Closed() || ctx.Err() != nil {
			return
		}
		if thread {
			if futex.Wait(words[0], min(nap, left)) == futex.Woken {
				return
			}
			continue
		}
		timer.Reset(min(nap, left))
		select {
		case <-timer.C: // time for the next look
		case <-ctx.Done(): // the caller no longer waits
			return
		case <-c.Done(): // the segment is being closed
			return
		}
	}
}
