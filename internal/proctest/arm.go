//go:build crashtest && linux

package proctest

import (
	"fmt"
	"os"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// crashEnv holds the order of [Crash.Order] in the environment of a victim.
const crashEnv = "SHMKIT_TEST_CRASH"

// Armed does act, the operation that a [Sweep] is about, with the crash points armed which the
// process passes from now on. It is for the role that [Crash.Start] has started, once. saw, where
// it is given, is called with the name of each point, also the one at which the process dies, on
// the goroutine that passes it.
func Armed(act func(), saw ...func(point string)) {
	Arm(os.Getenv(crashEnv), saw...)
	act()
	crashpoint.Disarm()
	crashpoint.Trace(nil)
}

// Arm arms the crash points which this process passes from now on with what [Crash.Order] says. It
// is for a victim that [Crash.Start] has not started.
func Arm(order string, saw ...func(point string)) {
	var way Way
	var point int
	var path string
	if _, err := fmt.Sscan(order, &way, &point, &path); err != nil {
		panic(fmt.Sprintf("proctest: arm with the order %q: %v", order, err))
	}
	trace, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		panic("proctest: " + err.Error())
	}
	var passed atomic.Int64
	crashpoint.Trace(func(name string) {
		for _, f := range saw {
			f(name)
		}
		fmt.Fprintln(trace, name) // one write, to the end of the file
		if way == Hangs && passed.Add(1) == int64(point) {
			Forever()
		}
	})
	switch way {
	case Kills:
		crashpoint.Arm(point)
	case Stops:
		crashpoint.Stop(point)
	}
}
