// Package segment is one process's attachment to the file that processes share. What lies in the
// file, and how it changes, is package directory's.
//
// # Birth
//
// A segment is built in a file without a name and linked into place when it is
// complete. A creator that is killed leaves nothing.
//
// # One lock
//
// One robust lock guards the directory against other writers. A process that takes it over from a
// dead holder has the directory rebuilt. An operation that lacks room has all processes give back
// what they do not use, see giveback.go.
//
// # Objects
//
// All handles of an object in a process share one view of it, which the process has open until no
// handle is reachable, or each is released. Removals are announced, and every process follows.
//
// # Closing
//
// Close waits a moment for a goroutine that holds a lock. Then it replaces the heap, where it is
// mapped, by memory of this process's own: what the process writes there afterwards, others do not
// see. Only then are its bits cleared and its slot given back, so that no other process takes over
// a lock, or reuses memory, that this process still writes to. At last the rest of the mapping is
// replaced, which lets go of the file. The new memory ends when no handle is reachable.
//
// The address space behind what this process has looked at is given back at once: see
// [directory.Directory.Cut].
//
// # Stale members
//
// Each attachment shares an open-file-description lock of the file for as long as it lives. The
// first to open the file when no process shares it clears what is left in the process table: slots
// and users bits of before a boot, or of the original of a copied file. The header names the boot
// of the machine that the process table belongs to; it decides alone only where the system has no
// such locks.
package segment
