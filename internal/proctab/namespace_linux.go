package proctab

import (
	"sync"

	"golang.org/x/sys/unix"
)

// ownNamespace is the inode of this process's PID namespace, which tells it from others; 0: not
// known.
var ownNamespace = sync.OnceValue(func() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
})
