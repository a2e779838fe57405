// Package pool runs typed tasks in worker processes, and loses nothing when one of
// them is killed.
//
// Go cannot fork. A worker is this very program, started again: it gets to
// [Main], which runs it and never returns. A [Task] is defined once, as a package-level variable, so that
// parent and worker know it by the same name.
//
//	var Square = pool.Define("square", func(ctx context.Context, n int64) (int64, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		pool.Main()
//		p, err := pool.New(ctx, pool.Options{Workers: 4})
//		…
//		defer p.Close()
//		squares, err := pool.Map(ctx, p, Square, []int64{1, 2, 3})
//
// # Arguments and results
//
// Types of fixed size, as in the package shm, are copied as they are. Everything
// else travels as CBOR, which knows exported fields, slices, maps, pointers, and every type with MarshalBinary: the
// handles of shm and shmsync, too.
//
// # Deaths
//
// Every argument and result is in shared memory, in a table whose slots say who is at work on them:
//
//	the worker dies                    what happens to its task
//	before it has begun                another worker gets it
//	while it runs                      another worker runs it again, at most Options.Attempts times; then a *WorkerDiedError
//	after its result is complete       the result is delivered
//	idle                               -
//
// In each case the worker is replaced. No result is delivered twice. When the parent
// dies, however that happens, its workers end and take their own children with them.
//
// # Caveats
//
// What a task did outside its result before its worker died (files, counters), it may
// do again in the next attempt. A worker inherits the parent's environment, directory and arguments, its
// standard output and error, but no open file and no goroutine. Linux only.
//
// # Logging
//
// [LogHandler] is a handler for log/slog that passes records through shared memory to a [LogListener], which gives them to any
// other handler: so that any number of processes, of pools or not, write one file. A record is whole and there as soon as Handle
// has returned, whatever happens to its process. A full log drops records, counts and reports them, and never makes anybody wait.
package pool
