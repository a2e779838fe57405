//go:build race

package race

import (
	"runtime"
	"unsafe"
)

// Enabled says whether this is a build with the race detector.
const Enabled = true

// Shadow stands for one synchronization word in a mapping. The zero value is ready for use. Two
// handles of one process to the same shared object must use the same Shadow. It must not be copied
// after first use.
type Shadow struct {
	word uint64 // never read or written: only its address counts
}

// Acquire says that what was done before each earlier Release and ReleaseMerge of s happened before
// what follows. Call it after the acquiring operation on the shared word.
func (s *Shadow) Acquire() { runtime.RaceAcquire(unsafe.Pointer(&s.word)) }

// Release lets the next Acquire of s see everything done so far. It forgets earlier releases which
// this goroutine has not acquired: it is for words with one releaser at a time, such as a mutex.
// Call it before the releasing operation on the shared word.
func (s *Shadow) Release() { runtime.RaceRelease(unsafe.Pointer(&s.word)) }

// ReleaseMerge is Release for words with several releasers, such as the readers of a lock: it adds
// to the earlier releases, and the next Acquire sees them all.
func (s *Shadow) ReleaseMerge() { runtime.RaceReleaseMerge(unsafe.Pointer(&s.word)) }
