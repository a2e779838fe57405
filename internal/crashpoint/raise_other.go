//go:build crashtest && !linux

package crashpoint

import "syscall"

func raise(signal syscall.Signal) {
	panic("crashpoint: " + signal.String() + " is only raised on Linux")
}
