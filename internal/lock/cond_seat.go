package lock

// What the seat of a process counts for a condition variable:
//
//	bits  0..16  granted: waiters of the process that a notifier has let go, and that have not returned yet
//	bits 17..33  waiting: waiters of the process; those that were let go are among them
//
//	#  waiting  granted  meaning                             next
//	1  0        0        nobody waits                        wait -> 2
//	2  w        0        all sleep                           wait -> 2, give up -> 1 or 2, notify -> 3
//	3  w        g < w    some are on their way               wait -> 3, notify -> 3 or 4, give up -> 3 or 4, return -> 1, 2 or 3
//	4  w        w        nobody is left to be notified here  wait -> 3, return -> 1 or 4; who gives up now was notified
//
// Only the process itself changes waiting, and takes grants away. When it is dead, whoever has the lock of the
// condition variable does so.
const (
	oneGrant       = 1 << 0
	oneWaiter      = 1 << 17
	condMost       = 1<<17 - 1 // waiters of a process
	condGrantMask  = condMost
	condWaiterMask = condMost << 17
)

func grantedIn(w uint64) uint64 { return w & condGrantMask }

func waitingIn(w uint64) uint64 { return w & condWaiterMask >> 17 }

// unnotified is how many waiters of a seat that holds w can be notified. What is in shared memory may be garbage.
func unnotified(w uint64) uint64 { return waitingIn(w) - min(grantedIn(w), waitingIn(w)) }

// CondBytes is how much shared memory a [Cond] needs that up to slots processes use at once, aligned to a cache line.
// Zeros are one that nobody waits for.
func CondBytes(slots int) int { return condHeadBytes + rosterBytes(slots) + condBells(slots)*lineBytes }

// condBells is how many cache lines the bells of the seats need.
func condBells(slots int) int { return (slots + bellsPerLine - 1) / bellsPerLine }

const bellsPerLine = lineBytes / EventBytes

// condBell is where the event count of seat n lies. As with the seats, the first ones have a line of their own.
func condBell(mem []byte, slots, n int) []byte {
	lines := condBells(slots)
	at := condHeadBytes + rosterBytes(slots) + n%lines*lineBytes + n/lines*EventBytes
	return mem[at : at+EventBytes : at+EventBytes]
}
