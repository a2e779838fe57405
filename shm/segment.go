package shm

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/segment"
)

// Options say how a segment is made. The zero value gives a private segment of
// the default size. They do not matter when a segment that exists is opened.
type Options struct {
	// Size is the capacity in bytes, the segment's own bookkeeping included;
	// 0 means [DefaultSize]. Memory is taken only as objects are made.
	Size int64

	// Objects is how many objects there can be at once; 0 means one for each 4 KiB
	// of Size. It is rounded up to a power of two.
	Objects int

	// Processes is how many processes can be attached at once, at most 1024; 0
	// means [DefaultProcesses].
	Processes int

	// Mode holds the permission bits of the file; 0 means 0600. The umask does not
	// matter. Others also need a way through the directory: give a path.
	Mode fs.FileMode

	// Group is the id of the group that the file belongs to; 0 means the process's own.
	Group int

	// AnyOwner lets [OpenOrCreate] take a file that belongs to another user, as in a group of users
	// that share a segment by its path. Without it that is an error: every user with write access
	// to the directory could have put the file there.
	AnyOwner bool
}

const (
	// DefaultSize is the capacity of a segment in bytes, unless Options say otherwise.
	DefaultSize = segment.DefaultSize
	// DefaultProcesses is how many processes can attach, unless Options say otherwise.
	DefaultProcesses = segment.DefaultProcesses
)

func (o Options) config() segment.Config { return segment.Config(o) }

func init() {
	segment.Of = func(s any) *segment.Segment {
		if s := s.(*Segment); s != nil {
			return s.s
		}
		return nil
	}
}

// A Segment is this process's attachment to a piece of shared memory with named
// objects in it. It may be used by any number of goroutines.
//
// A Segment must not be copied.
type Segment struct {
	_   noCopy
	s   *segment.Segment
	ctx context.Context // see WithContext; nil: none
}

// noCopy makes go vet complain about copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Create makes a segment. A plain name stands for a file in a directory of this
// user's own, /dev/shm/shmkit-UID unless the environment variable SHMKIT_DIR names another;
// a name with a slash is a path. The file appears under its name complete.
//
// Errors:
//   - [fs.ErrExist]: there is a file of that name, which stays as it is.
//   - a [*NoSpaceError]: the file system is full.
//   - [fs.ErrPermission]: the directory may not be written, or is the default one and not private.
//   - [ErrCopyOnWrite]: the file system is ZFS, bcachefs, or XFS with reflinks. On btrfs the file
//     is made so that it is written in place.
//   - [fs.ErrInvalid]: the name or a number in the options is impossible.
//   - [ErrUnsupported]: the toolkit does not run on this operating system.
func Create(name string, o Options) (*Segment, error) {
	path, err := resolve(name)
	if err != nil {
		return nil, err
	}
	return wrap(segment.Create(path, o.config()))
}

// Open attaches to the segment of that name, which must exist. See [Create] for names.
//
// Errors:
//   - [fs.ErrNotExist]: there is no file of that name.
//   - [fs.ErrPermission]: this user may not read and write it.
//   - [ErrFormat]: it is no segment, or of another version or word size, truncated or damaged; the
//     text says which.
//   - [ErrTooManyProcesses]: all slots belong to living processes.
func Open(name string) (*Segment, error) { return OpenContext(context.Background(), name) }

// OpenContext is [Open] that waits no longer than until ctx ends. It waits for the first process to
// open a segment after a boot, or after all others have left it, which clears the table of
// processes: that takes microseconds, but 10 seconds when that process is stopped meanwhile.
//
// Errors: those of [Open], that of ctx.
func OpenContext(ctx context.Context, name string) (*Segment, error) {
	path, err := resolve(name)
	if err != nil {
		return nil, err
	}
	return wrap(segment.OpenContext(ctx, path))
}

// OpenReadOnly opens the segment of that name for reading. It needs permission to read the file,
// and no more: also on a file system that is mounted read-only. The process takes no slot and no
// lock and writes nothing: no other process can notice it. The directory of plain names is not
// made.
//
// Objects are opened by OpenX, or by NewX where they exist. What reads them works, and never waits
// for a writer that was stopped or killed. What would change them returns an error that is an
// [fs.ErrPermission], or panics with one where it has no error to return. Locks, and what else
// cannot be used without a change, cannot be opened.
//
// Nothing keeps the memory of an object that is removed: from then on methods return [ErrRemoved],
// or zeros where they have no error to return, see [Value.Alive]. After Close they return zeros,
// too.
//
// Errors:
//   - [fs.ErrNotExist]: there is no file of that name.
//   - [fs.ErrPermission]: this user may not read it.
//   - [ErrFormat]: as for [Open]; or it has holes, as after a copy, which a read would fill.
func OpenReadOnly(name string) (*Segment, error) {
	path, err := resolveIn(name, mapping.UserDirPath)
	if err != nil {
		return nil, err
	}
	return wrap(segment.OpenReadOnly(path))
}

// OpenOrCreate attaches to the segment of that name and makes it when there is
// none. Of several processes that do so at once, one makes it and all get the same.
//
// Errors: those of [Open] and [Create], but not for being there or not; [fs.ErrPermission] when the
// file belongs to another user, unless o.AnyOwner is set.
func OpenOrCreate(name string, o Options) (*Segment, error) {
	return OpenOrCreateContext(context.Background(), name, o)
}

// OpenOrCreateContext is [OpenOrCreate] that waits no longer than until ctx ends, as [OpenContext].
//
// Errors: those of [OpenOrCreate], that of ctx.
func OpenOrCreateContext(ctx context.Context, name string, o Options) (*Segment, error) {
	path, err := resolve(name)
	if err != nil {
		return nil, err
	}
	s, _, err := segment.OpenOrCreateContext(ctx, path, o.config())
	return wrap(s, err)
}

// Anonymous makes a segment without a name. It lives as long as a process has it:
// nothing is left behind. Others get it as a descriptor, see [Segment.File] and [FromFile].
//
// Errors: those of [Create].
func Anonymous(o Options) (*Segment, error) {
	return wrap(segment.Anonymous("shmkit", o.config()))
}

// FromFile attaches to the segment that f is open on: one that this process has
// inherited or received. The caller may close f.
//
// Errors: those of [Open]; [fs.ErrInvalid] when f is nil.
func FromFile(f *os.File) (*Segment, error) {
	if f == nil {
		return nil, invalid("the file of a segment must not be nil")
	}
	return wrap(segment.OpenFile(f))
}

// FromFileReadOnly is [OpenReadOnly] of the segment that f is open on, whatever f is open for. The
// caller may close f.
//
// Errors: those of [OpenReadOnly]; [fs.ErrInvalid] when f is nil.
func FromFileReadOnly(f *os.File) (*Segment, error) {
	if f == nil {
		return nil, invalid("the file of a segment must not be nil")
	}
	return wrap(segment.OpenFileReadOnly(f))
}

// Remove takes away the name of a segment that need not be open, and may be damaged or of another
// version. Processes that are attached go on.
//
// Errors: [fs.ErrNotExist], [fs.ErrPermission]; [ErrFormat] for what is no segment, which stays.
func Remove(name string) error { return RemoveContext(context.Background(), name) }

// RemoveContext is [Remove] that waits no longer than until ctx ends: for a process that opens the
// segment, as [OpenContext], or removes it. When ctx has ended the name is there as before.
//
// Errors: those of [Remove], that of ctx.
func RemoveContext(ctx context.Context, name string) error {
	path, err := resolve(name)
	if err != nil {
		return err
	}
	if err := segment.RemoveContext(ctx, path); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}

func wrap(s *segment.Segment, err error) (*Segment, error) {
	if err != nil {
		return nil, fmt.Errorf("shm: %w", err)
	}
	return &Segment{s: s}, nil
}

// resolve turns the name of a segment into a path.
func resolve(name string) (string, error) { return resolveIn(name, mapping.UserDir) }

// resolveIn is resolve with the directory of plain names.
func resolveIn(name string, userDir func() (string, error)) (string, error) {
	switch {
	case name == "":
		return "", invalid("the name of a segment must not be empty")
	case strings.ContainsRune(name, 0):
		return "", invalid("segment name %q: must not contain a NUL", name)
	case strings.ContainsRune(name, '/'):
		if len(filepath.Base(name)) > maxFileName {
			return "", invalid("segment name %.40q…: its last part is longer than %d bytes", name, maxFileName)
		}
		return filepath.Abs(name)
	case name == "." || name == "..":
		return "", invalid("segment name %q: is a directory", name)
	case len(name) > maxFileName:
		return "", invalid("segment name %.40q…: has %d bytes, at most %d are allowed", name, len(name), maxFileName)
	}
	dir, err := userDir()
	if err != nil {
		return "", fmt.Errorf("shm: %w", err)
	}
	return filepath.Join(dir, name), nil
}

const maxFileName = 255

// invalid describes an argument that can never be right: an [fs.ErrInvalid].
func invalid(format string, args ...any) error {
	return fmt.Errorf("shm: %w", segment.Invalid(format, args...))
}

// WithContext is the same attachment, for calls that shall wait no longer than until ctx ends:
// every constructor of this module that is given it, RemoveObject and Check. They take a lock of
// the segment, which a living process holds for microseconds; but one that is stopped at that
// moment would keep them for 10 seconds.
//
//	counter, err := shm.NewCounter(seg.WithContext(ctx), "hits")
//
// What is made by them does not depend on ctx.
func (s *Segment) WithContext(ctx context.Context) *Segment { return &Segment{s: s.s, ctx: ctx} }

// Context is what WithContext was given, else [context.Background].
func (s *Segment) Context() context.Context {
	if s == nil || s.ctx == nil {
		return context.Background()
	}
	return s.ctx
}

// ReadOnly reports whether this process has opened the segment for reading only.
func (s *Segment) ReadOnly() bool { return s.s.ReadOnly() }

// Path is where the segment's file is, or what an anonymous one is called.
func (s *Segment) Path() string { return s.s.Path() }

// Size is the capacity in bytes, the segment's own bookkeeping included.
func (s *Segment) Size() int64 { return s.s.Size() }

// File is the segment's descriptor, to be passed on to another process, as in
// [os/exec.Cmd.ExtraFiles]. It stays the segment's: do not close it.
func (s *Segment) File() *os.File { return s.s.File() }

// Close detaches this process. Goroutines that wait for an object of the segment get [ErrClosed],
// and so does every later call that can report an error. Objects and their contents stay for
// others. Close may be called again.
//
// Close waits up to 50 ms for operations that are under way. What this process writes after that,
// by whatever means, is seen by no other process: atomics that are stored to, Counters that are
// added to, slices from Array.Slice and the like, a function that Update runs for too long.
//
// The memory of a segment that is closed and removed is free at once. What can still be read
// through handles is this process's own: objects of up to 64 KiB, 1 MiB of them at most, keep what
// they held when the segment was closed, and all else reads as zeros.
//
// Errors:
//   - a [*HeldError] names what this process still had locked. The next locker is told that the
//     owner died, or finds a Value or Array as it was before.
//   - a [*StillAttachedError]: this process has used up its mappings or its address space, so that
//     the memory is let go of only when no handle is reachable.
func (s *Segment) Close() error {
	if err := s.s.Close(); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}

// Remove takes away the segment's name, for every process. Processes that are attached go on and
// can still use the objects that they have; new objects cannot be made. An anonymous segment has no
// name to remove.
//
// Errors: [fs.ErrNotExist] when the name is gone already, [ErrRemoved] when it leads to another
// file, which stays; [ErrClosed], that of a context given to WithContext.
func (s *Segment) Remove() error {
	if err := s.s.UnlinkContext(s.Context()); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}

// RemoveObject frees an object's name at once, for every process. Processes that have
// the object open go on with it; its memory is reused when the last of them has let go of it.
//
// Errors: [fs.ErrNotExist], [ErrCorrupt], [ErrClosed], that of a context given to WithContext;
// [fs.ErrInvalid] for an impossible name.
func (s *Segment) RemoveObject(name string) error {
	if err := s.s.RemoveContext(s.Context(), name); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}

// Objects iterates over the names and kinds of the objects, in no particular
// order. Objects that come or go meanwhile may be missed. There are none after Close.
func (s *Segment) Objects() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		s.s.Names(func(name string, k segment.Kind) bool { return !s.s.Closed() && yield(name, k.String()) })
	}
}

// Check walks the whole segment and compares its bookkeeping with itself.
//
// Errors: [ErrCorrupt] with the first thing that is wrong, [ErrClosed], that of a context given to
// WithContext.
func (s *Segment) Check() error {
	if _, err := s.s.CheckContext(s.Context()); err != nil {
		return fmt.Errorf("shm: %w", err)
	}
	return nil
}
