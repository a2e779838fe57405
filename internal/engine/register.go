package engine

import "context"

// What package pool has registered: functions with its types, which this package cannot name.
var newPool, runIn any

// A Watch tells which worker runs a call, once one does, until the call is done.
type Watch func() (b Began, ok bool)

// Register is called by package pool, in an init function.
func Register[Pool, Options any](
	create func(ctx context.Context, o Options, start Start) (Pool, error),
	run func(ctx context.Context, p Pool, c Call, done func(Result)) (Watch, error),
) {
	newPool, runIn = create, run
}

// New makes a pool for an engine, which runs its tasks: Pool is *pool.Pool, and Options is
// pool.Options. Of the options those count that are about the parent: Attempts, Task, Label,
// Backlog, Memory, Grace and Carry.
func New[Pool, Options any](ctx context.Context, o Options, start Start) (Pool, error) {
	return newPool.(func(context.Context, Options, Start) (Pool, error))(ctx, o, start)
}

// Run puts a call into p, a pool of processes or goroutines, as it is, and has done called with the
// result, once, in a goroutine of the pool: done must not wait for the pool. Calls that one
// goroutine puts in one after the other are begun in that order. Run waits while the Backlog or the
// Memory of the pool is full.
//
// When ctx ends, the context of the task does, and done gets the cause of that at once.
//
// An error is why the call was not put in, and then done is not called: no task of that name in
// this program, or one with another signature, a [*UnknownError]; an argument that is too large;
// the cause of the end of ctx; why the pool has ended.
func Run[Pool any](ctx context.Context, p Pool, c Call, done func(Result)) error {
	_, err := RunWatched(ctx, p, c, done)
	return err
}

// RunWatched is [Run] that also returns what tells which worker runs the call.
func RunWatched[Pool any](ctx context.Context, p Pool, c Call, done func(Result)) (Watch, error) {
	return runIn.(func(context.Context, Pool, Call, func(Result)) (Watch, error))(ctx, p, c, done)
}

// An UnknownError says that this program cannot run a task: it does not have one of that name, or
// has one with other types.
type UnknownError struct {
	Task      string
	Differs   bool // there is a task of that name
	Signature uint64
}

// Error names the task, and says which of the two it is.
func (e *UnknownError) Error() string {
	if e.Differs {
		return "pool: task \"" + e.Task + "\" has other types in this program"
	}
	return "pool: task \"" + e.Task + "\" is not defined in this program"
}
