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
// have the values it sleeps on may go on sleeping. This happens when several words of
// one thread are woken before it runs, for the kernel tells it of one, and when the thread is just about to sleep again.
// So whoever changes a word and wakes a sleeper must not need it to see a value that has
// been changed back by the time it looks. The locks are of that kind: with the old value the old holder is
// back, and owes the wake-up again. Where a protocol is not, the sleeper finds out within the limit of its Park.
//
// A wake-up that reached a sleeper has reached it before its Park returns, whatever the
// reason for which it returned. A caller that gives up can thus pass it on, and none gets lost behind its back.
//
// # Threads
//
// A goroutine that parks in the kernel holds an OS thread. The first [directMax]
// of a process do so, for the shortest way back. Further ones are collected by
// pollers, each of which waits for dozens of them on one thread. Objects
// see to it that of all their goroutines only one parks here.
//
// Where the kernel can wait for one word only, the first goroutines sleep on the first of their words and look at
// the others from time to time, and further ones look from time to time at all of them.
package wait
