package tasktable

import "github.com/shmkit/shmkit/internal/proctab"

// The state of a slot: bits 0..29 the worker, bits 30..31 the phase, bits 32..63
// the serial number, which is new for every attempt. Messages in the queues carry the
// serial number, so that one which is late or doubled is recognised.
//
//	#  phase    worker  meaning                              next
//	1  free     0       free for a task                      submit -> 2
//	2  queued   0       argument is there                    worker takes it -> 3, withdraw -> 1, drop -> 4
//	3  running  w       w is at work                         w finishes -> 4, w dies -> 2 with a new serial, or 4
//	4  done     w       result is there                      parent takes it -> 1, or tries again -> 2
const (
	PhaseFree    = 0 << phaseShift
	PhaseQueued  = 1 << phaseShift
	PhaseRunning = 2 << phaseShift
	PhaseDone    = 3 << phaseShift

	phaseShift  = proctab.OwnerBits
	phaseMask   = 3 << phaseShift
	serialShift = 32
)

// StateOf returns the state of a slot; worker is 0 where no worker has it.
func StateOf(phase uint64, worker proctab.Owner, serial uint32) uint64 {
	return uint64(serial)<<serialShift | phase | uint64(worker)
}

// PhaseOf returns the phase of a state.
func PhaseOf(s uint64) uint64 { return s & phaseMask }

// WorkerOf returns the worker that has the slot.
func WorkerOf(s uint64) proctab.Owner { return proctab.Owner(s & proctab.OwnerMask) }

// SerialOf returns the number of the attempt.
func SerialOf(s uint64) uint32 { return uint32(s >> serialShift) }

// MessageOf returns the message that names an attempt.
func MessageOf(slot, serial uint32) uint64 { return uint64(serial)<<32 | uint64(slot) }

// Messages to the parent that name no slot.
const (
	ReadySlot  = 1<<32 - 1 // a worker takes tasks; its number is in the place of the serial
	LeaderSlot = 1<<32 - 2 // the caller that collects results looks around
	// a worker waits for room for a result; its number is in the place of the serial
	RoomSlot = 1<<32 - 3
)

// A Stage is how far a worker has come. It is in its record, and outlives it.
type Stage uint32

const (
	StageStarted Stage = iota // the program was started, and has not come to Main
	StageEntered              // it has come to Main, and does not take tasks yet
	StageReady                // it takes tasks
	StageFailed               // a resource did not open: the reason is in the record
	// From here on the worker has ended by itself, between two tasks.
	StageWorn    // it has ended because of Options.MaxTasksPerWorker
	StageLarge   // it has ended because of Options.RecycleMemory
	StageIdle    // it has ended because of Options.IdleTimeout
	StageRetired // it has ended because the pool was made smaller
)

// Orders of a parent: OrderRetire is the bit of Record.Order that asks a worker to end; the others
// count.
const (
	OrderRetire = 1
	OrderOne    = 2
)

// Bits of Slot.Timed.
const (
	TellRan   = 1
	TellBegan = 2
	HasCarry  = 4
	NilArg    = 8
)
