package queue

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A reader that has found nothing and comes to sleep only when its message is there is not held up
// by another reader of its process, which sleeps already, and waits for the message after that.
func TestOverwritingReadersDoNotHoldUpEachOther(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			b := newBroadcast[int64](t, 4, Options{Wait: policy, WhenFull: DropOldest})
			mustBroadcast(t, b, 7)
			ahead, behind := b.mustSubscribe(FromNewest), b.mustSubscribe(FromOldest)
			got := make(chan int64)
			go func() {
				v, err := ahead.Get(background)
				if err != nil {
					t.Error(err)
				}
				got <- v
			}()
			proctest.Eventually(t, proctest.Hang, func() bool { return b.Stats().Waits > 0 }, "the reader ahead does not wait")
			ctx, cancel := context.WithTimeout(background, proctest.Hang)
			defer cancel()
			// the look before it found nothing
			if v, err := behind.old.wait(ctx); err != nil || v != 7 {
				t.Errorf("the reader behind got %d, %v", v, err)
			}
			mustBroadcast(t, b, 8)
			if v := <-got; v != 8 {
				t.Errorf("the reader ahead got %d", v)
			}
		})
	}
}

// sequence is the sequence number of the slot of a position; see package seqlock.
func sequence(b *Broadcast[int64], position uint64) uint64 {
	return b.word(256 + 16*int(position%uint64(b.Cap())))
}

// A reader that looks at its slot, and at whether the Broadcast is closed only when all has been
// put and closed meanwhile, is told what it has lost.
func TestOverwritingIsClosedDuringLook(t *testing.T) {
	b := newBroadcast[int64](t, 4, overwriting)
	r, last := b.mustSubscribe(FromOldest), b.mustSubscribe(FromOldest)
	seen := sequence(b, 0)
	for i := range int64(10) {
		mustBroadcast(t, b, i)
		if i == 0 {
			mustRead(t, last, 0)
		}
	}
	wantErr(t, b.Close(), nil)
	err := r.old.behind(seen)
	wantErr(t, err, ErrLapped)
	if lapped := new(LappedError); !errors.As(err, &lapped) || lapped.Lost != 7 {
		t.Errorf("%v", err)
	}
	mustRead(t, r, 7, 8, 9)
	wantErr(t, r.old.behind(sequence(b, r.old.next)), ErrClosed)
	last.old.next = 9
	wantErr(t, last.old.behind(2*5+2), ErrEmpty) // it has come meanwhile
	mustRead(t, last, 9)
}
