package environ

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// atSecure is the entry of the auxiliary vector that says whether the program runs with more rights
// than its caller.
const atSecure = 23

// Secure reports whether this program runs with more rights than its caller has. Then it takes no
// orders from its environment and its descriptors, which the caller controls.
var Secure = sync.OnceValue(func() bool {
	vector, err := unix.Auxv()
	if err != nil {
		return os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid()
	}
	for _, entry := range vector {
		if entry[0] == atSecure {
			return entry[1] != 0
		}
	}
	return false
})
