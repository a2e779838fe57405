// Package wait does all blocking: spin a little, then park.
//
// [Park] sleeps on several words at once: the word of an object, the liveness
// words of the processes that the caller waits for, and words of its own that the
// end of a context or a [Closer] changes. It returns whenever there may be
// something to see, and not later than its limit after it began, mostly [Backstop], so that a
// wake-up which died with the process that owed it costs a delay and never a
// hang. Callers look again in a loop.
//
// # Wake-ups
//
// What counts is the value of a word, not the wake-up: a sleeper that is woken while all its words
// have the values it sleeps on may go on sleeping. This happens when several words of one thread
// are woken before it runs, because the kernel reports only one of them, and when the thread is
// just about to sleep again. So a protocol must not depend on a sleeper seeing a value that has
// been changed back by the time it looks. The locks do not depend on it: with the old value the old
// holder is back, and owes the wake-up again. In other protocols the sleeper finds out within the
// limit of its Park. A wake-up that is given to a sleeper has arrived before its Park returns, even
// if Park returns for another reason. So a caller that gives up can pass the wake-up on, and none
// is lost after that.
//
// # Threads
//
// A goroutine that parks in the kernel holds an OS thread. The first [directMax]
// of a process do so, for the shortest way back. Further ones are collected by
// pollers, each of which waits for dozens of them on one thread. Objects
// see to it that of all their goroutines only one parks here.
//
// Where the kernel can wait for one word only, the first goroutines sleep on the first of their
// words and look at the others from time to time, and further ones look from time to time at all of
// them.
package wait
