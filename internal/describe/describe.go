// Package describe lets each package say what the objects of its kinds hold, to a reader that does
// not attach to their segment.
//
// A package registers a [Describer] for each of its kinds, beside their layout. A [View] gives a
// describer copies of the bytes of one object, in private memory. They may be damaged, and may
// change from one copy to the next: a describer checks what it uses, and reads no more than it
// needs.
package describe

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/elem"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Describer says what an object holds, by the methods of the View.
//
// Errors: [ErrDamaged], [ErrTooMuch], those of the View.
type Describer func(v *View) error

var (
	// ErrDamaged says that the bytes of an object contradict each other.
	ErrDamaged = errors.New("its words contradict each other")
	// ErrTooMuch says that an object has more than may be read of one.
	ErrTooMuch = errors.New("more than is read of one object")
)

var describers = map[segment.Kind]Describer{}

// Register sets the describer of a kind. It is called when a package is initialised.
func Register(kind segment.Kind, d Describer) { describers[kind] = d }

// Has reports whether there is a describer for the kind.
func Has(kind segment.Kind) bool { return describers[kind] != nil }

// A Source is a segment as a reader sees it.
type Source interface {
	// ReadAt copies bytes at an offset of the segment. It fails when the file ends before them.
	ReadAt(p []byte, off int64) (int, error)
	// Process is what is known of a process.
	Process(o proctab.Owner) Process
}

// A Process is an attachment of a process to the segment.
type Process struct {
	PID     int    `json:"pid"` // in its own PID namespace; 0: unknown
	Program string `json:"program"`
	Slot    int    `json:"slot"`
	Living  bool   `json:"living"`
	Foreign bool   `json:"foreign,omitempty"` // the id is one of another PID namespace

	Owner proctab.Owner `json:"-"`
}

// String is the process as errors name it.
func (p Process) String() string {
	text := proctab.Info{PID: p.PID, Program: p.Program}.String()
	if !p.Living {
		text += ", which has ended"
	}
	return text
}

// A Want says how much of an object is asked for.
type Want struct {
	From     int64 // the first element of an Array or a List
	Elements int   // how many elements, or entries of a Dict
	Messages int   // how many messages of a queue, the oldest first

	// Bare asks for what is known of the object without anything that it holds.
	Bare bool
	// Told is told of each part of the segment that is looked at, by its offset and length, which
	// is nothing that the object holds if Bare is set; nil: it is not.
	Told func(off, n uint64)
}

// A Fact is one thing that is known of an object. The value is a bool, an integer, a string, a
// [Process] or a slice of these.
type Fact struct {
	Name  string
	Value any
}

// Facts are in the order in which they are shown.
type Facts []Fact

// Get is the value of the fact of that name.
func (f Facts) Get(name string) (value any, ok bool) {
	for _, fact := range f {
		if fact.Name == name {
			return fact.Value, true
		}
	}
	return nil, false
}

// An Entry is a pair of a map.
type Entry struct{ Key, Value any }

// A View is one object as its describer sees it.
type View struct {
	Kind  segment.Kind
	Type  string // of its elements
	Size  uint64 // of the payload, in bytes
	Slots int    // of the process table
	Boot  [2]uint64
	Want  Want

	Facts Facts
	Value any  // what it holds; nil: nothing that could be shown
	Cut   bool // Value is not all that it holds
	Moved bool // it changed each time it was read

	source Source
	start  uint64 // of the payload in the segment
	budget int    // bytes that may yet be read
	used   int    // bytes that were read

	together bool   // see Together
	window   []byte // bytes of the segment from windowAt on, read at once
	windowAt uint64
}

// MaxRead is how many bytes are read of one object at most. A small read counts as one of readCost
// bytes, so that the number of reads is bounded, too.
const (
	MaxRead  = 4 << 20
	readCost = 64
)

// NewView is the view of an object with a payload that starts at an offset of the source.
func NewView(s Source, kind segment.Kind, typ string, start, size uint64) *View {
	return &View{Kind: kind, Type: typ, Size: size, source: s, start: start, budget: MaxRead}
}

// Describe calls the describer of the View's kind.
//
// Errors: those of a [Describer].
func (v *View) Describe() error {
	d := describers[v.Kind]
	if d == nil {
		return fmt.Errorf("this program cannot describe a %v", v.Kind)
	}
	return d(v)
}

// Bytes is a copy of n bytes of the payload from an offset on, aligned to 8 bytes.
//
// Errors: [ErrDamaged] when the object has not so many, [ErrTooMuch], that of the source.
func (v *View) Bytes(off, n uint64) ([]byte, error) {
	if off > v.Size || n > v.Size-off {
		return nil, fmt.Errorf("%w: bytes %d to %d of %d are needed", ErrDamaged, off, off+n, v.Size)
	}
	return v.At(v.start+off, n)
}

// At is a copy of n bytes at an offset of the segment.
//
// Errors: [ErrTooMuch], that of the source.
func (v *View) At(off, n uint64) ([]byte, error) {
	if v.budget <= 0 || n > uint64(v.budget) {
		return nil, ErrTooMuch
	}
	v.budget -= max(int(n), readCost)
	v.used += max(int(n), readCost)
	if v.Want.Told != nil {
		v.Want.Told(off, n)
	}
	if v.together && n <= windowBytes {
		return v.fromWindow(off, n)
	}
	return v.read(off, n)
}

// windowBytes is how many bytes are read at once where many are needed that lie together.
const windowBytes = 4096

// Together calls read, which makes many small reads of the payload that lie close together. Some of
// them may show the object as it was at an earlier one.
func (v *View) Together(read func() error) error {
	if v.together {
		return read()
	}
	v.together = true
	defer func() { v.together, v.window = false, nil }()
	return read()
}

// fromWindow is At for what may have been read already.
func (v *View) fromWindow(off, n uint64) ([]byte, error) {
	if off < v.windowAt || off-v.windowAt > uint64(len(v.window)) || n > uint64(len(v.window))-(off-v.windowAt) {
		end := v.start + v.Size
		if off < v.start || off > end || n > end-off {
			return v.read(off, n)
		}
		b, err := v.read(off, min(windowBytes, end-off))
		if err != nil { // the file may end within the window
			return v.read(off, n)
		}
		v.window, v.windowAt = b, off
	}
	b := make([]byte, (n+7)&^7)
	copy(b, v.window[off-v.windowAt:][:n])
	return b[:n:n], nil
}

// read reads from the source.
func (v *View) read(off, n uint64) ([]byte, error) {
	b := make([]byte, (n+7)&^7) // the allocator aligns multiples of 8 to 8
	if off > 1<<62 {
		return nil, ErrDamaged
	}
	if _, err := v.source.ReadAt(b[:n], int64(off)); err != nil {
		return nil, err
	}
	return b[:n:n], nil
}

// Bound has the View read at most n bytes, if that is less than it may.
func (v *View) Bound(n int) { v.budget = min(v.budget, n) }

// Used is how many bytes were read.
func (v *View) Used() int { return v.used }

// Room is how many bytes may yet be read.
func (v *View) Room() int { return v.budget }

// Set notes a fact.
func (v *View) Set(name string, value any) { v.Facts = append(v.Facts, Fact{name, value}) }

// SetNonZero notes a number that says nothing when it is 0.
func (v *View) SetNonZero(name string, n uint64) {
	if n != 0 {
		v.Set(name, n)
	}
}

// SetProcess notes a process, if o is one.
func (v *View) SetProcess(name string, o proctab.Owner) {
	if o != 0 && o&^proctab.OwnerMask == 0 {
		v.Set(name, v.source.Process(o))
	}
}

// SetProcesses notes those of the processes that live.
func (v *View) SetProcesses(name string, owners []proctab.Owner) {
	all := []Process{}
	for _, o := range owners {
		if p := v.source.Process(o); p.Living {
			all = append(all, p)
		}
	}
	v.Set(name, all)
}

// Lives reports whether a process lives.
func (v *View) Lives(o proctab.Owner) bool { return v.source.Process(o).Living }

// SetLock notes what a copy of a lock says.
func (v *View) SetLock(mem []byte) {
	l := lock.LookAt(mem)
	switch {
	case l.Handed:
		v.SetProcess("handedTo", l.Owner)
	default:
		v.SetProcess("owner", l.Owner)
	}
	if l.Inconsistent || l.Owner != 0 && !l.Handed && !v.Lives(l.Owner) {
		v.Set("waitsForRepair", true)
	}
	v.SetProcess("lastDied", l.LastDied)
}

// steadyTries is how often something is read that changes meanwhile.
const steadyTries = 3

// Steady calls read until mark returns the same before and after it. After a few tries the View is
// marked as Moved, and what was read last counts.
//
// Errors: those of mark; that of read, unless the object changed meanwhile.
func (v *View) Steady(mark func() (uint64, error), read func() error) error {
	budget := v.budget
	var failed error
	for range steadyTries {
		v.budget = budget
		v.window = nil // a mark is not one of an earlier read
		before, err := mark()
		if err != nil {
			return err
		}
		failed = read()
		v.window = nil
		after, err := mark()
		if err != nil {
			return err
		}
		if before == after {
			return failed
		}
	}
	v.Moved = true
	return failed
}

// Word is one 8-byte word of the payload.
func (v *View) Word(off uint64) (uint64, error) {
	b, err := v.Bytes(off, 8)
	if err != nil {
		return 0, err
	}
	return firstWord(b), nil
}

// Element is the layout of the element type, from its description.
//
// Errors: [ErrDamaged].
func (v *View) Element() (*elem.Layout, error) { return parse(v.Type) }

func parse(format string) (*elem.Layout, error) {
	l, err := elem.Parse(format)
	if err != nil {
		return nil, fmt.Errorf("%w: its type: %w", ErrDamaged, err)
	}
	return l, nil
}

// Process is what is known of a process.
func (v *View) Process(o proctab.Owner) Process { return v.source.Process(o) }
