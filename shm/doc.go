// Package shm puts typed values into memory that processes share.
//
// This program counts its runs, also of those that go on at the same time:
//
//	package main
//
//	import (
//		"errors"
//		"fmt"
//		"log"
//
//		"github.com/shmkit/shmkit/shm"
//	)
//
//	func main() {
//		seg, noSegment := shm.OpenOrCreate("runs", shm.Options{})
//		runs, noCounter := shm.NewCounter(seg, "runs")
//		if err := errors.Join(noSegment, noCounter); err != nil {
//			log.Fatal(err)
//		}
//		runs.Add(1)
//		fmt.Println("run number", runs.Sum())
//	}
//
// A [Segment] is one piece of shared memory, a file that every process maps. It holds named
// objects: a [Value] is one T with a lock, an [Array] n of them; [RawValue] and [RawArray] have no
// lock; [Int64] and its siblings are atomics; a [Counter] is a sum that all add to at full speed; a
// [Dict] is a map, a [Var] a value of any length, a [List] grows.
//
// Every kind of object has two constructors: NewX finds the object of that name or makes it, OpenX
// requires that it exists. What a constructor returns is a handle: the means by which one process
// uses the object. Any number of handles, in any number of processes, can lead to one object.
// Opening an object with another type fails and says what differs. A handle can be sent to another
// process with MarshalBinary and UnmarshalBinary.
//
// With "" for its name, NewX makes an object without one. Other processes get it by its handle
// alone, as in an argument of a task, and it is freed with the last handle: when no living process
// has it open. A handle that is on its way, as bytes, does not count: its sender keeps its own
// until the receiver has opened the object. [Default] is a segment for objects without a name.
//
// # Types
//
// T is a number with a width in its name, a bool, a complex number, or an array or struct of such.
// Anything that holds an address, or has a size that depends on the machine (int, uint), is refused
// with the path of the field. The type is written down in the segment as a PEP 3118 format string,
// which Python's struct, ctypes and NumPy understand.
//
// # Which object
//
//	one value of fixed size                        Value; Int64 and its siblings, where an atomic will do
//	one value of any length, read more than set    Var
//	values by key; a cache; counters by key        Dict
//	a number of elements that is known             Array, RawArray
//	elements that are mostly appended              List
//	messages, each for one process                 package queue
//	a namespace                                    the Segment itself: its objects have names
//
// # Sharing and ownership
//
// By default a segment is private to its user: its directory has mode 0700, its file 0600.
// [Options] widen that. Memory is reserved before it is handed out: a full file system is an error,
// not a crash. Nothing is removed by itself, except objects without a name, and anonymous segments,
// which end with their last process.
//
// # Crashes
//
// A process may be killed at any instruction. Half a segment, half an object, half a Value and half
// a change of an Array are never seen by others; what a Counter counted stays counted; locks of the
// dead are taken over; memory that the dead was just allocating is found again.
//
// # Reading only
//
// [OpenReadOnly] is for sidecars, monitors and sandboxed code: it needs permission to read the file
// and no more, and no other process can notice it. There are the same types and the same OpenX.
// What would change the segment fails with an [fs.ErrPermission]; a method without an error panics
// with one. A write to the mapped memory itself, as through the slice of [Array.Slice], ends the
// program with SIGSEGV. An object that is removed is [ErrRemoved] at the next read, or zeros where
// there is no error to return; see [Value.Alive].
//
// # What the kernel may refuse
//
// Where it refuses a facility, as in some sandboxes, or is too old, everything works, slower:
//
//	membarrier     each unlock and put takes a locked instruction more; some first sleeps begin 0.5 ms later
//	futex_waitv    waiters look at the lives of others, and at their contexts, every 16 ms
//	robust lists   each attachment holds a lock on the file; deaths are looked for every 5 ms
//
// A process says so once for each, at the level of information: to the handler of [pool.LogTo], or
// to standard error when SHMKIT_LOG in the environment is INFO or DEBUG. SHMKIT_FALLBACK, a list of
// membarrier, waitv and robust with commas, has a process do without them, for tests.
//
// # Caveats
//
// Linux only; elsewhere every constructor returns [ErrUnsupported]. All processes need the same
// word size. Do not put segments on network file systems. Whoever may write to the file can write
// anything into it: then values are wrong or calls fail with [ErrCorrupt], or with
// [ErrTakenForDead] when it was the process table, but nothing panics. Only truncating a file that
// is in use crashes its users, unless they call runtime/debug.SetPanicOnFault and recover;
// anonymous segments cannot be truncated.
//
// [pool.LogTo]: https://pkg.go.dev/github.com/shmkit/shmkit/pool#LogTo
package shm
