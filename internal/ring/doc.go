// Package ring has what all rings in shared memory have in common: how one end waits for the other,
// roles, counters, limits, errors, and the checks of a head that other processes may have
// overwritten.
//
// Each kind of ring is a package below this one, and none of them imports another:
//
//	mpmc     slots of fixed size, any number of producers and consumers
//	spsc     slots of fixed size, one producer and one consumer
//	record   records of any length, any number of producers and consumers
//	seqlock  slots of fixed size, one writer, any number of readers that it does not wait for
//	cast     messages of fixed size or any length, for all readers, which the writers wait for
//	stream   bytes, one writer and one reader
//
// The rings know the size of their messages, but not their types. The typed faces are in the
// packages queue and queue/pipe, which document the states.
package ring
