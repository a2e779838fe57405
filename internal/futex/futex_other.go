//go:build !linux

package futex

import "time"

// FallbackEnv names the environment variable which switches kernel facilities off.
const FallbackEnv = "SHMKIT_FALLBACK"

// Disabled reports whether the facility is switched off.
func Disabled(string) bool { return true }

// HasWaitAny is false here.
func HasWaitAny() bool { return false }

// HasMembarrier is false here.
func HasMembarrier() bool { return false }

// Register does nothing here.
func Register() bool { return false }

// Registered is false here.
func Registered() bool { return false }

// Membarrier does nothing here.
func Membarrier() bool { return false }

// MembarrierOrPause does nothing here.
func MembarrierOrPause() {}

// Wait sleeps for a moment: this system has no futexes.
func Wait(_ Word, timeout time.Duration) Result {
	if timeout < 0 || timeout > time.Millisecond {
		timeout = time.Millisecond
	}
	time.Sleep(timeout)
	return Woken
}

// Wake wakes no sleeper here.
func Wake(*uint32, int) int { return 0 }

// A Vector is a reusable list of words.
type Vector struct{ n int }

// Reset empties the vector.
func (v *Vector) Reset() { v.n = 0 }

// Len is the number of words in the vector.
func (v *Vector) Len() int { return v.n }

// Add appends a word.
func (v *Vector) Add(Word) { v.n++ }

// Wait sleeps for a moment; it does not know why it ended.
func (v *Vector) Wait(timeout time.Duration) int {
	Wait(Word{}, timeout)
	return -1
}
