// Package race tells the race detector about synchronization that it cannot see.
//
// The detector follows only memory that Go allocated. A lock with its word in a mapping orders
// nothing for it, and a correct program would be reported. So every handle to a shared object owns
// a [Shadow], an ordinary Go word of this process, and marks on it what the word in the mapping has
// just done. Only the goroutines of this process are ordered by it, which is all that the detector
// can judge.
//
// Without -race a Shadow has no size and its methods are empty.
package race
