//go:build !linux

package proctest

// WaitStopped fails the test: only Linux tells of a stop without taking the end of the child from
// its waiter.
func (c *Child) WaitStopped() {
	c.t.Helper()
	c.t.Fatal("proctest: WaitStopped needs Linux")
}
