package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
)

const (
	// DefaultSize is the capacity of a segment in bytes unless another is asked for.
	DefaultSize = directory.DefaultSize
	// DefaultProcesses is how many processes can attach unless another number is asked for.
	DefaultProcesses = directory.DefaultProcesses
)

// Config says how a segment is made. The zero value gives a private one of the default size.
type Config struct {
	Size      int64       // capacity in bytes; 0: DefaultSize
	Objects   int         // how many objects it can hold; 0: one for each 4 KiB of Size
	Processes int         // how many processes can attach; 0: DefaultProcesses
	Mode      fs.FileMode // permission bits; 0: 0600
	Group     int         // group id that owns the file; 0: this process's
	AnyOwner  bool        // OpenOrCreate takes a file of another user, too
}

// Create makes the segment at path.
//
// Errors: [fs.ErrExist] when there is a file at path, a [*mapping.NoSpaceError], those of the file
// system.
func Create(path string, c Config) (*Segment, error) {
	g, err := directory.Plan(c.Size, c.Objects, c.Processes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, exists(path)
	}
	s, err := createBy(mapping.CreateUnnamed, path, g, c)
	if errors.Is(err, mapping.ErrNoLink) {
		s, err = createBy(mapping.CreateTemporary, path, g, c)
	}
	return s, err
}

// createBy makes the segment in a new file that one of the ways of mapping has made.
func createBy(make func(path string, size int64) (*mapping.Unnamed, error), path string, g directory.Geometry, c Config) (*Segment, error) {
	u, err := make(path, int64(g.Size))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: this user may not make files in its directory: choose another: %w", path, fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("create segment %s: %w", path, err)
	}
	crashpoint.Here("segment.unnamed")
	s, err := build(u.File, path, g, c)
	if err != nil {
		u.Discard()
		return nil, directory.NameInNoSpace(err, path)
	}
	crashpoint.Here("segment.built")
	// SYNC: birth: with the name the whole segment becomes visible.
	if err := u.LinkTo(path); err != nil {
		s.Close()
		u.Discard()
		if errors.Is(err, fs.ErrExist) {
			return nil, exists(path)
		}
		return nil, err
	}
	crashpoint.Here("segment.linked")
	return s, nil
}

func exists(path string) error {
	return fmt.Errorf("%s: %w: open it, or remove it first", path, fs.ErrExist)
}

func build(f *os.File, path string, g directory.Geometry, c Config) (*Segment, error) {
	mode, gid := c.Mode, c.Group
	if mode == 0 {
		mode = 0o600
	}
	if gid == 0 {
		gid = -1
	}
	if err := mapping.SetAccess(f, mode.Perm(), gid); err != nil {
		return nil, err
	}
	id, err := format(f, g)
	if err != nil {
		return nil, err
	}
	return attach(context.Background(), f, path, true, g, id) // no other process has it
}

// format reserves the regions that every process touches and writes the header.
func format(f *os.File, g directory.Geometry) (directory.Identity, error) {
	var id directory.Identity
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) // needs no system call that may be refused
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	if err := mapping.Reserve(f, 0, int64(g.Entries)); err != nil {
		return id, err
	}
	page := make([]byte, directory.HeaderBytes)
	g.Encode(page, id)
	h := directory.HeaderIn(page)
	h.SetBoot(bootID())
	h.Brk.Store(g.Heap)
	h.High = g.Heap
	_, err := f.WriteAt(page, 0)
	return id, err
}

// Anonymous makes a segment without a name, of a size that no process can change. Others
// get it by its descriptor. The argument name gives no access: it shows in errors and logs only.
func Anonymous(name string, c Config) (*Segment, error) {
	g, err := directory.Plan(c.Size, c.Objects, c.Processes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f, err := mapping.Anonymous(name, int64(g.Size))
	if err != nil {
		return nil, err
	}
	id, err := format(f, g)
	if err == nil {
		var s *Segment
		if s, err = attach(context.Background(), f, f.Name(), false, g, id); err == nil {
			return s, nil
		}
	}
	f.Close()
	return nil, err
}

// Open attaches to the segment at path.
//
// Errors: [fs.ErrNotExist], [fs.ErrPermission], [ErrFormat], [proctab.ErrTooManyProcesses].
func Open(path string) (*Segment, error) { return OpenContext(context.Background(), path) }

// OpenContext is [Open] that waits until ctx ends for a process that clears the process table.
func OpenContext(ctx context.Context, path string) (*Segment, error) { return open(ctx, path, nil) }

// open is [Open] with a check of the file, before anything of it is read; nil: none.
func open(ctx context.Context, path string, check func(mapping.Status) error) (*Segment, error) {
	f, err := mapping.OpenExisting(path)
	if err == nil && check != nil {
		if err = inspected(f, check); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if err != nil {
		return nil, unopened(err, path)
	}
	return adopt(ctx, f, path, true)
}

// unopened is the error of the open of the file at path, which has failed with err.
func unopened(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noSegment(path)
	case errors.Is(err, mapping.ErrNotFile):
		return directory.Described(err.Error(), ErrFormat)
	}
	return fmt.Errorf("open segment: %w", err)
}

// inspected is what check says of f, which it closes if that is an error.
func inspected(f *os.File, check func(mapping.Status) error) error {
	st, err := mapping.Stat(f)
	if err == nil {
		err = check(st)
	}
	if err != nil {
		f.Close()
	}
	return err
}

// OpenFile attaches to the segment that f is open on, as after inheriting it. f
// stays the caller's.
func OpenFile(f *os.File) (*Segment, error) {
	mine, err := mapping.Reopen(f)
	if err != nil {
		return nil, unreopened(err, f, "read and write")
	}
	return adopt(context.Background(), mine, f.Name(), false)
}

// unreopened is the error of the open of what f is open on, to do that, which has failed with err.
func unreopened(err error, f *os.File, do string) error {
	switch {
	case errors.Is(err, mapping.ErrNotFile):
		return directory.Described(err.Error(), ErrFormat)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: no permission to %s it: %w", f.Name(), do, fs.ErrPermission)
	}
	return fmt.Errorf("open segment: %w", err)
}

// adopt attaches to the segment in f and takes f over.
func adopt(ctx context.Context, f *os.File, path string, named bool) (*Segment, error) {
	g, id, err := inspect(f)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	} else if err = mapping.CheckInPlace(f, named); err == nil {
		var s *Segment
		if s, err = attach(ctx, f, path, named, g, id); err == nil {
			// SYNC: unused: attached, and so no process takes the name away that asks before.
			if !named {
				return s, nil
			}
			if err = s.stillNamed(); err == nil {
				return s, nil
			}
			s.Close()
			return nil, err
		}
	}
	f.Close()
	return nil, directory.NameInNoSpace(err, path)
}

// inspect reads a segment's header, and makes sure that what should be real is.
func inspect(f *os.File) (g directory.Geometry, id directory.Identity, err error) {
	page := make([]byte, directory.HeaderBytes)
	g, id, real, err := inspectPage(f, page)
	if err != nil {
		return g, id, err
	}
	return g, id, refill(f, directory.HeaderIn(page), g, real)
}

// inspectPage reads a segment's header to page, and how many bytes of the file are real.
func inspectPage(f *os.File, page []byte) (g directory.Geometry, id directory.Identity, real int64, err error) {
	if err := mapping.CheckProcessor(); err != nil {
		return g, id, 0, err
	}
	n, readErr := f.ReadAt(page, 0)
	// After the header, which others change: space is there before the header says so.
	st, err := mapping.Stat(f)
	if err != nil {
		return g, id, 0, err
	}
	if n < len(page) {
		switch {
		case readErr != nil && !errors.Is(readErr, io.EOF):
			err = readErr
		case directory.HasMagic(page[:n]):
			err = directory.FormatError("is too short for a segment (%d bytes): remove it", st.SizeBytes)
		default:
			err = directory.FormatError("is not a shmkit segment (%d bytes): check the path", st.SizeBytes)
		}
		return g, id, 0, err
	}
	g, id, err = directory.Decode(page, st.SizeBytes)
	return g, id, st.RealBytes, err
}

// refillFloor is how much space the opener of a small file may take, in bytes: that of a new
// segment.
const refillFloor = 768 << 10

// refill makes real what should be: a file that was copied may have holes, and touching one fails
// when the file system is full. How much should be real is only what the file says. To open a file
// costs no more than is there already, and otherwise is an error. The real bytes are those that
// were there after the header was read: of a segment that grows meanwhile, too, they are all that
// its header tells of.
func refill(f *os.File, h *directory.Header, g directory.Geometry, real int64) error {
	entries := int64(g.Entries + min(h.EntriesReal.Load(), g.Heap-g.Entries))
	heap := int64(min(h.HeapReal.Load(), g.Size-g.Heap))
	missing, most := entries+heap-real, max(real, refillFloor)
	if missing <= 0 {
		return nil
	}
	holes := mapping.Holes(f, 0, entries, most)
	holes += mapping.Holes(f, int64(g.Heap), heap, most)
	if missing = min(missing, holes); missing > most {
		return directory.FormatError("says that %d bytes more are in use than the %d that are there: "+
			"it is damaged, or a copy without its zeros: copy it whole, as cp --sparse=never does, or remove it", missing, real)
	}
	err := mapping.Refill(f, 0, entries)
	if err == nil && heap > 0 {
		err = mapping.Refill(f, int64(g.Heap), heap)
	}
	return err
}

// OpenOrCreate opens the segment at path and makes it when there is none. Of
// several processes that do so at once, one makes it and all get it.
//
// Errors: those of [Open] and [Create]; [fs.ErrPermission] when the file belongs to another user,
// unless the Config allows it: every user with write access to the directory can put one there.
func OpenOrCreate(path string, c Config) (s *Segment, created bool, err error) {
	return OpenOrCreateContext(context.Background(), path, c)
}

// OpenOrCreateContext is [OpenOrCreate] that waits for other processes until ctx ends.
func OpenOrCreateContext(ctx context.Context, path string, c Config) (s *Segment, created bool, err error) {
	check := ownFile
	if c.AnyOwner {
		check = nil
	}
	for range 100 { // a name that comes and goes ends some day
		s, err := open(ctx, path, check)
		if !errors.Is(err, fs.ErrNotExist) {
			return s, false, err
		}
		s, err = Create(path, c)
		if !errors.Is(err, fs.ErrExist) {
			return s, err == nil, err
		}
	}
	return nil, false, fmt.Errorf("%s: is made and removed again and again: %w", path, lock.ErrLocked)
}

func ownFile(st mapping.Status) error {
	if me := os.Geteuid(); st.UID != uint32(me) {
		return directory.Described(fmt.Sprintf("belongs to user %d, not to %d: if that is meant, say so with Options.AnyOwner, or use Open", st.UID, me), fs.ErrPermission)
	}
	return nil
}
