// Package process runs one task in a process of its own, for work that takes long and talks through
// shared objects.
//
//	var Deposit = pool.Define("deposit", func(ctx context.Context, balance *shm.Value[int64]) (struct{}, error) {
//		return struct{}{}, balance.Update(ctx, func(n *int64) error { *n += 100; return nil })
//	})
//
//	func main() {
//		pool.Main() // first of all; in the child it runs the task and never returns
//		ctx := context.Background()
//		seg, err := shm.Default()
//		…
//		balance, err := shm.NewValue(seg, "", int64(42))
//		…
//		p, err := process.Start(ctx, Deposit, balance, process.Options{Name: "teller"})
//		…
//		err = p.Join(ctx) // now the balance is 142
//	}
//
// Go cannot fork. A process is this very program, started again, as a worker of a pool is: tasks
// are those of package pool, and pool.Main is the one entry of both. A pool is for many tasks that
// return something; a [Process] has a name, an exit code, and options for its environment, files,
// processors and memory.
//
// # The end
//
// A process that is a daemon ends with its parent. Any other goes on, unless a Ctrl-C has ended the
// parent. [Shutdown] at the end of main terminates the daemons and waits for the others; a process
// does the same when its task has returned.
package process
