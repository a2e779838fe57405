package barrier

import "github.com/shmkit/shmkit/internal/proctab"

// A stateWord is all that may change of a barrier, in one word, so that no death can tear it apart.
//
//	bits  0..22  history: bit i says that the generation i+1 before this one ended broken
//	bit  23      broken: each wait in this generation ends with an error until a Reset
//	bits 24..39  arrived: how many have come in this generation
//	bits 40..63  generation
//
//	#  arrived    broken  meaning                         next
//	1  0..n-1     0       fills up                        one comes -> 1, the last -> 3, or trips it -> 1', breaks -> 2, reset -> 1'
//	2  *          1       broken                          reset -> 1'
//	3  n          0       the last to come runs its action trips it -> 1', breaks -> 2, reset -> 1'
//
// 1' is #1 of the next generation, with no party arrived. History remembers for each generation
// whether it ended by a trip or in pieces, for waiters that look later.
type stateWord uint64

const (
	historyBits = 23
	historyMask = 1<<historyBits - 1
	brokenBit   = 1 << historyBits

	arrivedShift = 24
	oneArrived   = 1 << arrivedShift
	arrivedMask  = 1<<16 - 1

	generationShift = 40
	generationMask  = 1<<24 - 1

	// MaxParties is how many parties a barrier can have.
	MaxParties = arrivedMask
)

func (s stateWord) generation() uint32 { return uint32(s >> generationShift) }

func (s stateWord) arrived() int { return int(s >> arrivedShift & arrivedMask) }

func (s stateWord) broken() bool { return s&brokenBit != 0 }

// isOver reports whether the waits of generation g are over.
func (s stateWord) isOver(g uint32) bool { return s.generation() != g || s.broken() }

// next is the state when this generation ends: in pieces, or tripped.
func (s stateWord) next(inPieces bool) stateWord {
	history := s << 1 & historyMask
	if inPieces {
		history |= 1
	}
	return stateWord(s.generation()+1)<<generationShift | history
}

// endedBroken reports whether generation g, which is over, has ended in pieces. A waiter that looks
// only when the history has forgotten it was not needed by any of the later ones, and is told that
// it was tripped.
func (s stateWord) endedBroken(g uint32) bool {
	ago := (s.generation() - g) & generationMask
	if ago == 0 {
		return s.broken()
	}
	return ago <= historyBits && s>>(ago-1)&1 != 0
}

// A Cause says why a barrier broke.
type Cause uint8

const (
	// Unknown says that it is not known any more.
	Unknown Cause = iota
	// ByDeath says that a process that had the barrier open was killed, ended, or closed the
	// segment.
	ByDeath
	// ByAbort says that a process called Abort.
	ByAbort
	// ByGivingUp says that the context of a waiter ended.
	ByGivingUp
	// ByAction says that the action returned an error or panicked.
	ByAction
	// ByReset says that a process called Reset while others waited.
	ByReset
	causes
)

// A causeWord says why a generation broke.
//
//	bits  0..29  owner id of the process that died, or broke it
//	bits 32..39  the Cause
//	bits 40..63  generation
type causeWord uint64

const causeShift = 32

func newCauseWord(g uint32, why Cause, who proctab.Owner) causeWord {
	return causeWord(g)<<generationShift | causeWord(why)<<causeShift | causeWord(who)
}

func (c causeWord) generation() uint32 { return uint32(c >> generationShift) }

func (c causeWord) process() proctab.Owner { return proctab.Owner(c & proctab.OwnerMask) }

// why is Unknown when the bytes are damaged, too.
func (c causeWord) why() Cause {
	if why := Cause(c >> causeShift & 0xff); why < causes {
		return why
	}
	return Unknown
}
