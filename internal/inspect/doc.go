// Package inspect reads segments without taking part in them: it opens a file for reading only, and
// copies what it looks at into its own memory. It maps nothing, takes no slot and no lock, and
// makes no system call that another process can notice. So it also reads segments with a process
// table that is full, files that are read-only or belong to another user, and truncated and damaged
// ones.
//
// What it shows was there while it was read, but not all at the same instant. Waits are shown that
// were there before and after the look at the holders. Objects are described by the packages that
// made them, see package describe, which read again what changed meanwhile.
//
// The slot of a process says whether it lives. Only of a process that shows its life by a byte lock
// the system is asked, by F_OFD_GETLK, which changes nothing.
//
// Everything in a file may be wrong. Every offset and length is checked before it is used, reads
// are bounded for each object and for all, and text is quoted before it is shown.
package inspect

// Each of these packages describes the kinds of objects that it makes.
import (
	_ "github.com/shmkit/shmkit/internal/tasktable"
	_ "github.com/shmkit/shmkit/queue"
	_ "github.com/shmkit/shmkit/queue/pipe"
	_ "github.com/shmkit/shmkit/shm"
	_ "github.com/shmkit/shmkit/sync"
)
