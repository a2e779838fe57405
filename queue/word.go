package queue

import (
	"github.com/shmkit/shmkit/internal/proctab"
)

// The state word of a slot; see the table in the package's documentation.
//
//	bits  0..31  lap: which time round the ring this is; it wraps
//	bits 32..61  owner id (see proctab.Owner) while writing or reading, else 0
//	bits 62..63  phase
const (
	ownerShift = 32
	phaseShift = ownerShift + proctab.OwnerBits
	phaseMask  = 3 << phaseShift

	empty   uint64 = 0 << phaseShift
	writing uint64 = 1 << phaseShift
	full    uint64 = 2 << phaseShift
	reading uint64 = 3 << phaseShift
)

// The phase has the two bits that the owner and the lap leave.
var _ = [1]struct{}{}[phaseShift-62]

func wordOf(phase uint64, o proctab.Owner, lap uint32) uint64 {
	return phase | uint64(o)<<ownerShift | uint64(lap)
}

func phaseOf(w uint64) uint64        { return w & phaseMask }
func ownerOf(w uint64) proctab.Owner { return proctab.Owner(w >> ownerShift & proctab.OwnerMask) }
func lapOf(w uint64) uint32          { return uint32(w) }

// A stage says how far a slot is, seen from a lap: it only grows.
type stage int64

// The stages of the lap that they are seen from.
const (
	isEmpty stage = iota
	isWriting
	isFull
	isReading

	perLap // stages in a lap: isEmpty+perLap is empty for the next lap, isFull-perLap is still full from the last one
)

// stageOf returns how far w is, seen from a lap. Laps wrap, so that their distance
// is what counts: nobody is two thousand million laps late.
func stageOf(w uint64, lap uint32) stage {
	return perLap*stage(int32(lapOf(w)-lap)) + stage(w>>phaseShift)
}
