//go:build crashtest

package crashpoint

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// raise sends signal to the calling thread. The kernel acts on it before the thread is back in user
// mode, so nothing of this goroutine runs past the point. A signal to the process could be taken by
// another thread, while this one goes on.
func raise(signal syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), signal); err != nil {
		panic("crashpoint: raise " + signal.String() + ": " + err.Error())
	}
	for signal == syscall.SIGKILL {
		time.Sleep(time.Hour) // never reached where the kernel keeps the promise above
	}
}
