//go:build linux

package proctest

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Instructions of the kernel's filters, and where they find what in struct seccomp_data. Both
// supported processors are little-endian, so that the lower half of an argument comes first.
const (
	opLoad   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd    = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opAnswer = unix.BPF_RET | unix.BPF_K

	callOffset = 0
	argsOffset = 16
	argBytes   = 8
)

// filterOf is the program that refuses, and allows all else.
func filterOf(refusals []Refusal) (filter []unix.SockFilter) {
	for _, r := range refusals {
		filter = append(filter, unix.SockFilter{Code: opLoad, K: callOffset})
		if r.Mask == 0 {
			filter = append(filter, unix.SockFilter{Code: opEqual, Jf: 1, K: uint32(r.Call)})
		} else {
			filter = append(filter,
				unix.SockFilter{Code: opEqual, Jf: 4, K: uint32(r.Call)},
				unix.SockFilter{Code: opLoad, K: uint32(argsOffset + argBytes*r.Arg)},
				unix.SockFilter{Code: opAnd, K: r.Mask},
				unix.SockFilter{Code: opEqual, Jf: 1, K: r.Value})
		}
		filter = append(filter, unix.SockFilter{Code: opAnswer, K: unix.SECCOMP_RET_ERRNO | uint32(r.Errno)})
	}
	return append(filter, unix.SockFilter{Code: opAnswer, K: unix.SECCOMP_RET_ALLOW})
}

// Confine has this process, with all its threads, and all that it starts live with the refusals
// from now on. There is no way back. It is for roles.
func Confine(refusals ...Refusal) error { return confine(unix.SECCOMP_FILTER_FLAG_TSYNC, refusals) }

func confine(flags uintptr, refusals []Refusal) error {
	runtime.LockOSThread() // no_new_privs is of the thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	filter := filterOf(refusals)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return os.NewSyscallError("seccomp", errno)
	case r != 0: // a thread that has another filter
		return os.NewSyscallError("seccomp", unix.ESRCH)
	}
	return nil
}

// canConfine says why there are no filters.
func canConfine() error {
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// confineAndExec returns only when it cannot do that.
func confineAndExec(refusals []Refusal) error {
	runtime.LockOSThread() // the filter is of the thread, and exec leaves no other
	if err := confine(0, refusals); err != nil {
		return err
	}
	return syscall.Exec(self(), os.Args, os.Environ())
}
