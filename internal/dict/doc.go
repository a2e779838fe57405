// Package dict is a hash map in shared memory, of which any process may be killed at any
// instruction.
//
// A [Map] is one process's view. Keys and values are bytes; package shm gives them types. The hash
// of a key chooses one of up to 1024 stripes, each with a lock for writers and a table of buckets.
// A reader takes no lock and writes nothing.
//
// There are two layouts. Keys and values of fixed sizes of up to 8 bytes lie in the buckets. All
// others lie in records, in a log of pages for each stripe, and a slot of a bucket names each. All
// but the heads of the stripes lies in parts of the object, see package segment.
//
// # One store commits
//
// Each change of a key is one store of 8 bytes: of a slot, of the state of a record, of a value of
// 8 bytes, of the word of a table. What a process that dies leaves before it counts for nothing,
// what it leaves after it is derived anew by the next process that locks the stripe, see mend.
//
// # How a reader knows that what it has read is true
//
// A reader speculates, and then looks whether the version of the bucket and the word of the table
// are the same as before. The version of a bucket changes after a record, or a place in one, was
// given up, and before its memory is used again. So a reader that has seen a byte of something else
// sees another version. It looks again, and after 256 looks in vain it waits for the lock, for as
// long as no writer stands still with it. No writer waits for readers, so that one which is stopped
// or killed matters to no other process.
//
// # What a death leaves behind
//
//	role of the dead process            the others
//	reads, waits to write               notice nothing
//	sets, deletes, swaps, updates       the key is as before, or as it should be; the next writer of the stripe mends it
//	grows, cleans, evicts, clears       the same
//	fills a key, for Do                 one of those that wait for it fills
//	mends                               the next writer mends
//	is stopped while it writes          writers of its stripe wait until their contexts end; readers notice nothing
//
// # Memory
//
// A record of which the value was replaced once has room for two values: a later replacement fills
// the idle one, and stores the state that names it. So values that change make no garbage. Deleted
// records, and those that were replaced by others, do: when a third of a stripe's pages is garbage,
// each change moves a few records out of the oldest page, until that can be used again. Where there
// is a bound, the same walk evicts what was not read since it was written or moved last.
//
// # Order of memory
//
// Stores that publish are releases: of slots, states, values, versions, tables and
// tags. Loads of the same words are acquires. A reader fences its loads before the last look at a
// version, a writer its stores behind the change of one. Between two holders of a stripe the lock
// orders all.
package dict
