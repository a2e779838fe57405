// Package futex holds the only futex and membarrier system calls of the toolkit.
//
// All words are 32 bits wide and shared between processes; nothing here uses the
// process-private variants. A wait may return without a wake-up: callers look at
// their words again and decide.
package futex

// Result says why a wait ended.
type Result int

const (
	// Woken means that a wake-up came, that a word had already changed, or
	// nothing at all happened: look again.
	Woken Result = iota
	// TimedOut means that the time-out passed first.
	TimedOut
)

// MaxWords is how many words one call of [WaitAny] can wait for.
const MaxWords = 128

// Word names a futex word and the value at which to go on sleeping.
type Word struct {
	Addr *uint32
	Val  uint32
}
