// Package yields is the way of the values that a task yields, from its worker to the loop of its
// caller: a ring of bytes with one writer, the worker, and one reader, the parent.
//
// The ring has no life of its own. It lies before the argument, in the block of shared memory that
// the argument has anyway: it is the parent's, it waits for room in the pool's memory as every
// argument does, it outlives the worker, and it is freed with the slot of the task. What ends the
// values is the end of the task, which the parent learns as it does for any other task.
//
//	#  the task             the ring                        the reader
//	1  queued               empty                           waits
//	2  runs                 the worker puts values          takes what is there, at any time; waits when there is nothing
//	3  runs, ring full      the worker waits for room,      its loop is busy
//	                        under the task's context
//	4  has ended            no more will come               Finish takes the rest into the parent's memory: the slot is freed;
//	                                                        after the last value the reader gets the task's error
//	5  runs, reader gone    its context ends: the next      the loop was left: nothing looks at the ring any more; the slot is
//	                        Put fails                       freed when the task has ended
//
// Values of fixed size lie one after the other. All others have their length before them, as 4
// bytes. A value may be larger than the ring: it goes through it in pieces, and is put together in
// the parent's memory.
//
// # Deaths
//
//	the worker dies              left behind                     the loop
//	before it has put a byte     an empty ring                   the task runs again, as others do, with the same ring
//	within a value               its first bytes, published      gets the values before it, and then the error that names the worker
//	between two values           whole values                    the same
//	when the task has returned   all values                      gets all of them, and the end
//	while it waits for room      an armed bell                   the same as between two values
//	the parent dies              -                               the worker ends, as with other tasks
//
// A task that has put a byte is never run again: the loop would get values twice.
//
// # Threads
//
// The reader looks at the ring under its lock, and also sleeps under it. The slot is freed by
// Settle, after Finish has had the lock, or by the loop, after it has left; so no look, and no
// sleep, meets memory that belongs to another task by then.
package yields
