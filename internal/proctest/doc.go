// Package proctest lets a test work with real processes: the test binary, started again in a named
// role.
//
//	func TestMain(m *testing.M) { proctest.Main(m) }
//
//	var holder = proctest.Register("holder", func(args []string) {
//		lock(args[0])
//		proctest.Say("locked")
//		proctest.Hear()
//	})
//
//	func TestHolderDies(t *testing.T) {
//		child := proctest.Start(t, holder, path)
//		child.Expect("locked")
//		child.Kill()
//	}
//
// Tests wait for events: a line of a child, [Eventually], [Ends]. [Hang] bounds each wait, and says
// that what must happen never does; nothing here depends on how fast a machine is. Package asleep
// waits until others sleep in a segment.
//
// With the build tag crashtest, Sweep kills a process at each crash point of an operation in turn.
//
// A [Child] talks by lines: it says them on its stdout and hears them on its stdin. It dies with
// the test process, in whatever way that ends. [Child.Confine] starts it under a filter that
// refuses it system calls. [Main] fails the package when its tests leave a child, a descriptor or a
// file behind.
package proctest
