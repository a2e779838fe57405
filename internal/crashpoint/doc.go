// Package crashpoint marks the places between two writes to shared memory, so that a test can kill
// a process at each of them in turn.
//
// Code calls [Here] with a name. Without the build tag crashtest that is an empty function which
// the compiler removes. With the tag, a child process calls Arm(n) before the operation under test,
// and the n-th point that it passes kills it with a real SIGKILL. proctest.Sweep counts n up from 1
// until the operation completes.
package crashpoint
