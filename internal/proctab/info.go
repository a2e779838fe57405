package proctab

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Info describes a process to people.
type Info struct {
	PID     int       // in its own PID namespace; 0: unknown
	Program string    // base name of the program, cut to 23 bytes
	Started time.Time // when it attached

	Namespace uint64 // the inode of that namespace; 0: unknown
}

// IsForeign reports whether the process is known to be in another PID namespace than this one, such
// as that of another container: here its id means nothing, or another process.
func (i Info) IsForeign() bool {
	mine := ownNamespace()
	return i.Namespace != 0 && mine != 0 && i.Namespace != mine
}

func (i Info) String() string {
	switch {
	case i.PID == 0:
		return "an unknown process"
	case i.IsForeign():
		return fmt.Sprintf("%s (pid %d of another PID namespace)", cmp.Or(i.Program, "a process"), i.PID)
	case i.Program == "":
		return fmt.Sprintf("process %d", i.PID)
	}
	return fmt.Sprintf("%s (pid %d)", i.Program, i.PID)
}

// Info returns the description of the owner, dead or alive. It reports false when there is none:
// another process has the slot by now, or the owner died before it had written its description.
func (t *Table) Info(o Owner) (Info, bool) {
	n := o.Slot()
	if n >= len(t.slots) {
		return Info{}, false
	}
	i, epoch := t.slots[n].introduction()
	runtime.KeepAlive(t)
	if epoch != o.epoch() || epoch == 0 {
		return Info{}, false
	}
	return i, true
}

// writeInfo writes a description of the owner with this epoch, for people.
//
// Preconditions: the slot is this process's.
func (s *slot) writeInfo(epoch uint32) {
	s.named.Store(0)
	s.pid.Store(uint32(os.Getpid()))
	s.started.Store(time.Now().UnixNano())
	s.namespace.Store(ownNamespace())
	for i, word := range packName(programName()) {
		s.program[i].Store(word)
	}
	// SYNC: introduction: the fields above speak of this epoch's owner.
	s.named.Store(epoch)
}

// introduction returns the description in the slot, and the epoch of the owner that it describes.
// The epoch is 0 while the description is being written.
func (s *slot) introduction() (i Info, epoch uint32) {
	epoch = s.named.Load()
	var name [programWords]uint64
	for n := range name {
		name[n] = s.program[n].Load()
	}
	i = Info{
		PID:     int(s.pid.Load()),
		Program: unpackName(name),
		Started: time.Unix(0, s.started.Load()),

		Namespace: s.namespace.Load(),
	}
	if s.named.Load() != epoch {
		return Info{}, 0
	}
	return i, epoch
}

func programName() string {
	if len(os.Args) == 0 {
		return ""
	}
	return filepath.Base(os.Args[0])
}
