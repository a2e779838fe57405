package lock

import "github.com/shmkit/shmkit/internal/proctab"

// answers is the bit of waitRow.answered that says that its process answers at all; the others are a number.
const answers = 1 << 31

// Answer notes that this process has followed the request of that number, as others see with
// [WaitTable.Answered]. What the numbers mean is the segment's business.
func (t *WaitTable) Answer(n uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.mine.answered.Store(n | answers)
	}
}

// Answered is the number of the last request that a process has followed, modulo 2³¹. It reports false
// when the process follows none.
func (t *WaitTable) Answered(o proctab.Owner) (n uint32, ok bool) {
	if o.Slot() >= len(t.rows) {
		return 0, false
	}
	r := &t.rows[o.Slot()]
	v := r.answered.Load()
	return v &^ answers, v&answers != 0 && r.owner.Load() == uint32(o)
}
