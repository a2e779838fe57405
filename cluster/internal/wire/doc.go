// Package wire is the form in which tasks, results and signs of life travel between a caller and
// the hosts of a cluster.
//
// # Names
//
// q is the name of a queue, c the random id of a caller, h the random id of one start of a host.
// All subjects begin with [Prefix]; the digit in it is the version of this package.
//
//	subject          what it carries                                     how
//	t.<q>.any.<c>    a [Task] that every host of the queue can run       stream, work queue
//	t.<q>.on.<s>.<c> a Task for the hosts with the set s of tasks, tags  stream, work queue
//	r.<c>            up to 64 [Result]s; an answer confirms all          request
//	k.<c>            [Held]: what a host holds; the answer is unwanted   message or request
//	x.<q>.<h>        [Cancel]: tasks that must end; "all" for h          message, request to drop
//	g.<c>, g.<h>     a [Piece] of a large argument, or of a result       request
//	a.<q>.<h>        a [Life] of a host                                  message, every 500 ms
//	c.<q>.<c>        a caller is alive                                   message, every 500 ms
//	s.<q>            statistics of each host                             request, many answers
//	l.<q>.<h>        records of the log of a host                        message
//
// # The ledger
//
// The caller is the ledger. Its table has an entry for each task from the submission to the result,
// with the bytes of the argument. Whatever a server or a host loses, the caller submits again.
//
//	#  state      holder  the entry                                  next
//	1  sent       -       is published, and not acknowledged         acknowledged -> 2, 5 s -> 1
//	2  queued     -       lies in the stream                         a host tells that it holds it -> 3
//	3  held       h       a host has it                              result -> 5, h is lost -> 2, too often -> 5, h gives it back -> 2
//	4  cancelled  - or h  has no caller any more                     a result, or no host holds it -> 5
//	5  done       -       was delivered, and has left the table      a late copy finds no entry
//
// A message leaves the stream only after its result is with the caller. So each message that is
// lost belongs to an entry of state 1 to 4, and each message without an entry may be dropped.
//
// # What a death leaves
//
//	what dies                    it leaves                             what mends it
//	host, task not told          a delivery without an acknowledgement the lease of the server ends
//	host, task held              state 3 with a silent holder          the caller gives the delivery back
//	host, result sent            a delivery; the entry is gone         the next host asks, and drops it
//	host, result confirmed       a delivery; the entry is gone         the same
//	server with its store        entries without their messages        the stream is new: all are published again
//	caller                       messages, and tasks that run          hosts purge them and end the contexts
package wire

// Prefix is what all subjects begin with.
const Prefix = "shmkit.1."

// Inline is the size in bytes up to which an argument or a result travels in its message. What is
// larger is fetched in pieces by the side that needs it.
const Inline = 512 << 10

// PieceBytes is the size of each piece but the last.
const PieceBytes = 512 << 10

// Limits of what a message may hold.
const (
	maxName  = 1 << 10 // bytes of a name
	maxTasks = 1 << 14 // tasks of a host
	maxSize  = 1 << 40 // bytes of an argument
	maxCount = 1 << 24 // arguments in a chunk
)
