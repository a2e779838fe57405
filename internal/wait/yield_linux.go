package wait

import "golang.org/x/sys/unix"

// YieldProcessor lets another thread have the processor of the caller, of any process, if one waits
// for it.
func YieldProcessor() { unix.RawSyscallNoError(unix.SYS_SCHED_YIELD, 0, 0, 0) }
