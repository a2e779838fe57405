// Package directory is what lies in a segment: a header, named objects, and a heap that the objects
// live in.
//
//	header     4096 bytes: what the file is, the lock, the heap's state
//	process table   64 bytes a slot
//	board      512 bytes a slot: what its process waits for
//	buckets    4 bytes each: the hash table of the names
//	entries    128 bytes each, or more when many processes can attach: one per object
//	heap       blocks, the first bytes of which hold an object's name and type
//
// The unsafe files hold one struct per region, which is the only source of its
// offsets. Offsets and lengths are in bytes from the start of the file.
//
// A [Directory] is those bytes as one process has them. It takes no lock: package segment owns the
// lock that the header has, and holds it for each change.
//
// # Two truths
//
// Two things are the truth: the chain of block words, which a walk from the heap's start to its
// break visits, and the state words of the entries. Each step of an
// operation changes one of these words, by one store. Everything else (hash chains, free
// lists, counters) is derived. When a process dies with the lock, the next one to
// take it walks both truths, frees blocks that no entry names, and derives the rest anew.
//
// # Lookups
//
// A lookup takes no lock. An entry is complete before a bucket leads to it. The
// change counter of the directory is odd while chains are being taken apart, and different
// afterwards: a lookup that found nothing and sees the counter moved looks again.
//
// # Removal
//
// Removing an object frees its name at once and its memory when no process that lives has it open.
// Every process shows what it has open as a bit in the entry. The bits of a process that died are
// cleared by the next process in its slot, or ignored before that. Removed objects that are in use
// form a ring; each process that creates or removes something looks at a few of them.
//
// An object may have parts, which are blocks besides its own that it adopts as it grows. They are
// freed together with it; see parts.go.
//
// Blocks without a name belong to the process that allocated them, or that it gave
// them to. Those of the dead are freed when a process needs space.
//
// # Versions
//
// The header has the version of the format: of header, process table, waits, names and heap. A
// program refuses a file of another one. Each entry has the version of the layout of its kind: of
// the payload. A program refuses an object of another one, and uses all others of the same file.
// Bytes without a meaning are zeros, so that a later program can give them one for which 0 is what
// holds today. Golden segments in shm/testdata show that each program reads what earlier ones have
// left.
package directory
