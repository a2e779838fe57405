package lock

import "github.com/shmkit/shmkit/internal/proctab"

// answers is the bit of row.answered that says that its process answers at all; the others are a number.
const answers = 1 << 31

// Answer notes that this process has followed the request of that number, as others see with
// [Board.Answered]. What the numbers mean is the segment's business.
func (b *Board) Answer(n uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.mine.answered.Store(n | answers)
	}
}

// Answered is the number of the last request that a process has followed, modulo 2³¹. It reports false
// when the process follows none.
func (b *Board) Answered(o proctab.Owner) (n uint32, ok bool) {
	if o.Slot() >= len(b.rows) {
		return 0, false
	}
	r := &b.rows[o.Slot()]
	v := r.answered.Load()
	return v &^ answers, v&answers != 0 && r.owner.Load() == uint32(o)
}
