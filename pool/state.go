package pool

import "github.com/shmkit/shmkit/internal/proctab"

// The state of a slot: bits 0..29 the worker, bits 30..31 the phase, bits 32..63
// the serial number, which is new for every attempt. Messages in the queues carry the
// serial number, so that one which is late or doubled is recognised.
//
//	#  phase    worker  meaning                              next
//	1  free     0       nobody's                             submit -> 2
//	2  queued   0       argument is there                    worker takes it -> 3, withdraw -> 1, drop -> 4
//	3  running  w       w is at work                         w finishes -> 4, w dies -> 2 with a new serial, or 4
//	4  done     w       result is there                      parent takes it -> 1, or tries again -> 2
const (
	phaseFree    = 0 << phaseShift
	phaseQueued  = 1 << phaseShift
	phaseRunning = 2 << phaseShift
	phaseDone    = 3 << phaseShift

	phaseShift  = proctab.OwnerBits
	phaseMask   = 3 << phaseShift
	serialShift = 32
)

func stateOf(phase uint64, worker proctab.Owner, serial uint32) uint64 {
	return uint64(serial)<<serialShift | phase | uint64(worker)
}

func phaseOf(s uint64) uint64              { return s & phaseMask }
func workerOf(s uint64) proctab.Owner      { return proctab.Owner(s & proctab.OwnerMask) }
func serialOf(s uint64) uint32             { return uint32(s >> serialShift) }
func messageOf(slot, serial uint32) uint64 { return uint64(serial)<<32 | uint64(slot) }

// Messages to the parent that name no slot.
const (
	readySlot = 1<<32 - 1 // the worker whose number is in the place of the serial takes tasks
	nudgeSlot = 1<<32 - 2 // whoever collects should look around
	roomSlot  = 1<<32 - 3 // the worker whose number is in the place of the serial waits for room for a result
)

// A stage is how far a worker has come. It is in its record, and outlives it.
type stage uint32

const (
	stageStarted stage = iota // the program was started, and has not come to Main
	stageEntered              // it has come to Main, and does not take tasks yet
	stageReady                // it takes tasks
	stageFailed               // a resource did not open: the reason is in the record
	// From here on the worker has ended by itself, between two tasks.
	stageWorn    // it has ended because of Options.MaxTasksPerWorker
	stageLarge   // it has ended because of Options.RecycleMemory
	stageIdle    // it has ended because of Options.IdleTimeout
	stageRetired // it has ended because the pool was made smaller
)

// The kinds of results.
const (
	kindValue  = 1
	kindError  = 2 // the task function returned an error
	kindPanic  = 3
	kindFailed = 4 // the pool could not run the task, or send its result
	kindChunk  = 5 // of several arguments: a frame with a kind for each, see chunk.go
	kindVector = 6 // of several arguments: values that are copied as they are, one after the other
)
