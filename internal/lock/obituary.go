package lock

import "time"

// The obituary of a lock is one word that dates the death of an owner:
//
//	bits  0..47  when a locker saw the death first, in units of 2^14 ns since 1970
//	bits 48..63  the low bits of the dead owner's id: the slot, and a part of the epoch
//
// The first locker that sees a death writes it, whether it takes the lock or not. It is for people
// only. An obituary of another owner is replaced, so that a process that dies in between leaves
// nothing to mend.
const (
	obituaryTick  = 14
	obituaryShift = 48
	obituaryTime  = 1<<obituaryShift - 1
)

// ObituaryBytes is how much shared memory [Mutex.RecordDeaths] needs, aligned to 8 bytes. Zeros are
// none.
const ObituaryBytes = 8

// RecordDeaths has deaths of owners dated in the first [ObituaryBytes] of mem. It is called before
// the first use.
func (m *Mutex) RecordDeaths(mem []byte) { m.obituary = wordIn(mem) }

// noticed returns when a locker saw first that the owner died, and makes this locker the first if
// there was none. It is zero where deaths are not recorded.
func (m *Mutex) noticed(dead uint32) time.Time {
	if m.obituary == nil {
		return time.Time{}
	}
	key := uint64(dead) << obituaryShift
	old := m.obituary.Load()
	if old&^obituaryTime == key && old&obituaryTime != 0 {
		return obituaryDate(old)
	}
	now := key | uint64(time.Now().UnixNano())>>obituaryTick&obituaryTime
	if !m.obituary.CompareAndSwap(old, now) {
		if seen := m.obituary.Load(); seen&^obituaryTime == key {
			now = seen
		}
	}
	return obituaryDate(now)
}

func obituaryDate(w uint64) time.Time { return time.Unix(0, int64(w&obituaryTime<<obituaryTick)) }
