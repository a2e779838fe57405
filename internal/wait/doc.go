// Package wait does all blocking: spin a little, then park.
//
// [Park] sleeps on several words at once: the word of an object, the liveness
// words of the processes that the caller waits for, and words of its own that the
// end of a context or a [Closer] changes. It returns whenever there may be
// something to see, and never later than [Backstop] after it began, so that a
// wake-up which died with the process that owed it costs a delay and never a
// hang. Callers look again in a loop.
//
// # Threads
//
// A goroutine that parks in the kernel holds an OS thread. The first [directMax]
// of a process do so, for the shortest way back. Further ones are collected by
// pollers, each of which waits for dozens of them on one thread. Objects
// see to it that of all their goroutines only one parks here.
package wait
