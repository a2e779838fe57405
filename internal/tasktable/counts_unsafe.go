package tasktable

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// An End is how a task has ended. The numbers are part of the format.
type End int

const (
	EndOK       End = iota
	EndError        // its function returned an error
	EndPanic        // its function panicked
	EndFailed       // the pool could not run it, or not send its result
	EndLate         // it ran past its hard deadline
	EndDied         // too many workers have died of it
	EndCanceled     // its caller has gone, or the pool has ended
	Ends
)

var endNames = [Ends]string{"ok", "error", "panic", "failed", "deadline", "died", "canceled"}

func (e End) String() string { return endNames[e] }

// An Exit is why a worker has ended. The numbers are part of the format.
type Exit int

const (
	ExitDied     Exit = iota
	ExitRecycled      // another has come in its place
	ExitIdle          // it had nothing to do for long
	ExitRetired       // the pool was made smaller
	ExitClosed        // the pool has ended
	Exits
)

var exitNames = [Exits]string{"died", "recycled", "idle", "retired", "closed"}

func (e Exit) String() string { return exitNames[e] }

const (
	maxTallies  = 64
	labelBytes  = 80
	nameBytes   = 104
	tallyBytes  = 192
	countsBytes = 128 + maxTallies*tallyBytes
)

// Counts lies behind the [roomWord]. It is what the pool has done so far, for readers that are no
// party of it; nothing in the pool reads it.
//
//	off  size   field     written by    invariant
//	  0      4  Tasks     parent        tasks that were submitted; those after the 64th have no Tally
//	  4      4  LabelLen  parent, once  bytes of Label
//	  8     80  Label     parent, once  Options.Label, cut
//	 88     40  Exits     parent        workers that have ended, by Exit
//	128  12288  Tallies                 64 of Tally
type Counts struct {
	_        structs.HostLayout
	Tasks    atomic.Uint32
	LabelLen uint32
	Label    [labelBytes]byte
	Exits    [Exits]uint64
	Tallies  [maxTallies]Tally
}

// Tally counts the arguments of one task.
//
//	off  size  field      written by    invariant
//	  0     8  ID         parent, once  of the task
//	  8     4  NameLen    parent, once  bytes of Name
//	 12     4  -
//	 16     8  Submitted  parent        not those that run again
//	 24     8  Retried    parent        attempts after the first
//	 32    56  Ends       parent        by End
//	 88   104  Name       parent, once  cut
type Tally struct {
	_         structs.HostLayout
	ID        uint64
	NameLen   uint32
	_         [4]byte
	Submitted uint64
	Retried   uint64
	Ends      [Ends]uint64
	Name      [nameBytes]byte
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Tally{})-tallyBytes]
	_ = [1]struct{}{}[unsafe.Sizeof(Counts{})-countsBytes]
)

func countsIn(mem []byte) *Counts { return (*Counts)(unsafe.Pointer(&mem[:countsBytes][0])) }

// SetLabel notes the name of the pool.
func (c *Counts) SetLabel(label string) { c.LabelLen = uint32(copy(c.Label[:], label)) }

// Add makes a Tally for a task, nil when all are taken.
func (c *Counts) Add(id uint64, name string) *Tally {
	n := c.Tasks.Load()
	var t *Tally
	if n < maxTallies {
		t = &c.Tallies[n]
		t.ID, t.NameLen = id, uint32(copy(t.Name[:], name))
	}
	// SYNC: tally: the name is visible to a reader that sees the number.
	c.Tasks.Store(n + 1)
	return t
}
