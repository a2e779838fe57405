// Package mapping makes, links, opens, reserves and maps the files that segments
// live in: files with a name, files built unnamed and linked into place complete,
// and sealed anonymous ones.
//
// Every mapping is made by mmap-go; one may be moved, cut or ended here. Offsets and lengths are in
// bytes.
package mapping

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/public"
)

// ErrUnsupported is returned on systems without an implementation.
var ErrUnsupported = errors.New("shared-memory segments are not supported on this system: Linux on amd64 or arm64 is needed")

// ErrCopyOnWrite says that the file system of a file copies on write, also what is reserved.
var ErrCopyOnWrite = errors.New("the file system copies on write: when it is full, a store into the segment would crash the process")

// ErrNotFile is returned for what is there but is no regular file.
var ErrNotFile = errors.New("not a regular file")

// ErrNoLink is returned where a file without a name cannot get one.
var ErrNoLink = errors.New("a file without a name cannot be linked")

// A NoSpaceError says that there is no space for what was asked for: in the segment, in the control
// group of the process, or in the file system.
type NoSpaceError struct {
	Path    string // the file, or what it is called when it has no name
	Need    int64  // bytes that were to be reserved
	Free    int64  // bytes that are left, -1 when unknown
	Segment bool   // the segment is full
	Group   string // the directory of the control group that has too little memory left; else empty
}

func (e *NoSpaceError) Error() string {
	switch {
	case e.Segment:
		return fmt.Sprintf("%s: the segment is full: %d bytes needed, %d free, which may lie scattered: remove objects, or make it larger: "+
			"it cannot grow, but anew with another Options.Size, which costs nothing until it is used", e.Path, e.Need, e.Free)
	case e.Group != "":
		return fmt.Sprintf("%s: no memory for it in the control group %s: %d bytes needed, %d left: raise the limit of the group "+
			"(memory.max, memory.limit_in_bytes, MemoryMax=, --memory), or remove segments", e.Path, e.Group, e.Need, e.Free)
	}
	return fmt.Sprintf("%s: no space: %d bytes needed, %d free: remove unused segments or enlarge the file system",
		e.Path, e.Need, e.Free)
}

// As lets [errors.As] find the type that users know e by.
func (e *NoSpaceError) As(target any) bool { return public.As(e, target) }

// Is reports whether target is e, as As has found it.
func (e *NoSpaceError) Is(target error) bool { return public.Is(e, target) }

// Status is what the system knows of an open file.
type Status struct {
	SizeBytes int64
	RealBytes int64 // of them, how many have room in the file system: the others are holes
	Links     int   // 0: no name leads to the file any more
	Regular   bool
	UID       uint32
	Device    uint64
	Inode     uint64
}
