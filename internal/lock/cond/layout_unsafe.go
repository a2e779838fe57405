package cond

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/lock"
)

// head is the fixed part of a condition variable in shared memory.
//
//	off  size  field   written by             read by                initial
//	  0    16  lock    claimers, reclaimers   the same               0; a lock.MutexRegion
//	 16     4  high    claimers of a cell     all                    0; how many cells were handed out
//	 20     4  next    notifiers              notifiers              0; the cell to look at first
//	 24     4  broadcasts  broadcasters           waiters                0; how many broadcasts there were, modulo 2^32
//	 28    36  -
//	 64        cells   waiters, notifiers     all                    0; a lock.ProcSlots
//	           bells   waiters, notifiers     notifiers              0; an event count for each cell
type head struct {
	_          structs.HostLayout
	lock       lock.MutexRegion
	high       atomic.Uint32
	next       atomic.Uint32
	broadcasts atomic.Uint32
	_          [36]byte
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.lock)]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.high)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.next)-20]
	_ = [1]struct{}{}[unsafe.Offsetof(head{}.broadcasts)-24]
	_ = [1]struct{}{}[unsafe.Sizeof(head{})-headBytes]
)

const headBytes = 64

// headIn views the first bytes of mem as the head of a condition variable. It panics when mem is
// too short.
func headIn(mem []byte) *head {
	_ = mem[headBytes-1]
	return (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
}

// What the cell of a process counts for a condition variable:
//
//	bits  0..16  granted: waiters of the process that a notifier has let go, and that have not returned yet
//	bits 17..33  waiting: waiters of the process; those that were let go are among them
//
//	#  waiting  granted  meaning                             next
//	1  0        0        no waiter                           wait -> 2
//	2  w        0        all sleep                           wait -> 2, give up -> 1 or 2, notify -> 3
//	3  w        g < w    some are on their way               wait -> 3, notify -> 3 or 4, give up -> 3 or 4, return -> 1, 2 or 3
//	4  w        w        no waiter is left to be notified    wait -> 3, return -> 1 or 4; a waiter that gives up now was notified
//
// Only the process itself changes waiting, and takes grants away. When it is dead, the holder of
// the lock of the condition variable does so.
const (
	oneGrant   = 1 << 0
	oneWaiter  = 1 << 17
	maxWaiters = 1<<17 - 1 // waiters of a process
	grantMask  = maxWaiters
	waiterMask = maxWaiters << 17
)

func grantedIn(w uint64) uint64 { return w & grantMask }

func waitingIn(w uint64) uint64 { return w & waiterMask >> 17 }

// unnotified is how many waiters of a cell that holds w can be notified. What is in shared memory
// may be garbage.
func unnotified(w uint64) uint64 { return waitingIn(w) - min(grantedIn(w), waitingIn(w)) }

// Bytes is how much shared memory a [Var] needs that up to slots processes use at once, aligned to
// a cache line. Zeros are one without waiters.
func Bytes(slots int) int {
	return headBytes + lock.ProcSlotsBytes(slots) + bellLines(slots)*lock.LineBytes
}

// bellLines is how many cache lines the bells of the cells need.
func bellLines(slots int) int { return (slots + bellsPerLine - 1) / bellsPerLine }

const bellsPerLine = lock.LineBytes / lock.EventBytes

// bellBytes is where the event count of cell n lies. As with the cells, the first ones have a line
// of their own.
func bellBytes(mem []byte, slots, n int) []byte {
	lines := bellLines(slots)
	at := headBytes + lock.ProcSlotsBytes(slots) + n%lines*lock.LineBytes + n/lines*lock.EventBytes
	return mem[at : at+lock.EventBytes : at+lock.EventBytes]
}
