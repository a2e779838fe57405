package inspect

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

// ErrFormat says that a file is no segment that this program can read.
var ErrFormat = segment.ErrFormat

// The kinds of segments.
const (
	KindFile      = "file"      // it has a name in the file system
	KindAnonymous = "anonymous" // it never had one
	KindPool      = "pool"      // it is anonymous, and holds the tasks of a pool
	KindRemoved   = "removed"   // its name was taken away, and processes have it open
)

// A Segment is what was read of a segment. Its fields are those of the tool's JSON.
type Segment struct {
	Name          string `json:"name"`
	NameHex       string `json:"nameHex,omitempty"` // its bytes, if they are no UTF-8
	Path          string `json:"path"`
	Kind          string `json:"kind"`
	Identity      string `json:"identity"`
	Format        uint32 `json:"format"`
	SizeBytes     uint64 `json:"sizeBytes"`
	ReservedBytes int64  `json:"reservedBytes"` // that take memory now
	FreeBytes     uint64 `json:"freeBytes"`     // of the heap: never used, or free again
	Objects       int    `json:"objects"`
	MaxObjects    uint32 `json:"maxObjects"`
	// objects that lost their name, or never had one, and are in use
	Removed       int `json:"removed"`
	Living        int `json:"living"` // processes
	Ended         int `json:"ended"`  // processes; no other has taken their slots since
	MaxProcesses  int `json:"maxProcesses"`
	Waits         int `json:"waits"`
	UnlistedWaits int `json:"unlistedWaits"`
	Cycles        int `json:"cycles"`
	// Processes that ended without detaching, what was taken over from them, and how often the
	// directory was mended after one, since the segment was made; deaths of an earlier boot that no
	// process noticed are not known.
	Deaths    uint64     `json:"deaths"`
	Takeovers uint64     `json:"takeovers"`
	Rebuilds  uint64     `json:"rebuilds"`
	Incidents []Incident `json:"incidents"` // the last ones, the oldest first

	Modified    time.Time `json:"modified"` // about when it was made
	LastAttach  time.Time `json:"lastAttach,omitzero"`
	EarlierBoot bool      `json:"earlierBoot,omitempty"`
	Trouble     []string  `json:"trouble"`

	file      *File
	header    segment.Header
	processes []Process
	byOwner   map[proctab.Owner]int // numbers of processes
	waits     []Wait
	cycles    [][]Wait
	budget    int // bytes that may yet be read to describe objects
	goTypes   map[string]string
}

// maxDescribed is how many bytes are read to describe all objects of a segment together.
const maxDescribed = 64 << 20

// Read reads what is known of the segment as a whole.
//
// Errors: [ErrFormat], those of the file system.
func Read(f *File) (*Segment, error) {
	if err := f.look(); err != nil {
		return nil, err
	}
	page := make([]byte, segment.HeaderBytes)
	n, err := f.ReadAt(page, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	h, err := segment.ReadHeader(page[:n], f.Stat.Size)
	truncated := errors.Is(err, segment.ErrTruncated)
	if err != nil && !truncated {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	s := &Segment{
		Path: f.Path, Name: nameOf(f), NameHex: hexOf(nameOf(f)), Kind: kindOf(f), Identity: h.Identity.String(), Format: h.Version, SizeBytes: h.Size,
		ReservedBytes: f.Stat.Real, FreeBytes: h.Free + h.Size - h.Top, MaxObjects: h.MaxObjects, MaxProcesses: int(h.Slots),
		Objects: int(h.Live), Removed: int(h.Retired), Modified: f.Stat.Modified, Trouble: []string{},
		file: f, header: h, budget: maxDescribed,
	}
	if truncated {
		s.trouble("it was truncated: %d of %d bytes are there", f.Stat.Size, h.Size)
	}
	if err := s.readProcesses(); err != nil {
		return nil, err
	}
	s.readIncidents()
	if err := s.readWaits(); err != nil {
		return nil, err
	}
	if s.Kind == KindAnonymous && s.hasTasks() {
		s.Kind = KindPool
	}
	s.judge()
	return s, nil
}

func (s *Segment) trouble(format string, args ...any) {
	s.Trouble = append(s.Trouble, fmt.Sprintf(format, args...))
}

// judge notes what an operator should look at.
func (s *Segment) judge() {
	h := &s.header
	if n := len(s.cycles); n > 0 {
		processes := 0
		for _, c := range s.cycles {
			processes += len(c)
		}
		s.trouble("%d processes wait for each other in a cycle", processes)
	}
	if o := h.Lock.Owner; o != 0 && !h.Lock.Handed && !s.process(o).Living {
		s.trouble("a process died while it changed the directory: the next one that does repairs it")
	}
	if s.Living == s.MaxProcesses {
		s.trouble("no further process can attach")
	}
	if s.Objects+s.Removed == int(s.MaxObjects) {
		s.trouble("there is no room for another object")
	}
	if heap := h.Size - h.Heap; s.FreeBytes < heap/20 {
		s.trouble("%d of %d bytes are free", s.FreeBytes, heap)
	}
}

func nameOf(f *File) string {
	if name, isMemory := strings.CutPrefix(f.Path, "memfd:"); isMemory {
		return name
	}
	return filepath.Base(f.Path)
}

// hexOf are the bytes of a name that is no UTF-8, of which JSON would lose some.
func hexOf(name string) string {
	if utf8.ValidString(name) {
		return ""
	}
	return hex.EncodeToString([]byte(name))
}

func kindOf(f *File) string {
	switch {
	case strings.HasPrefix(f.Path, "memfd:"), strings.HasPrefix(filepath.Base(f.Path), "unnamed:"):
		return KindAnonymous
	case f.Stat.Links == 0:
		return KindRemoved
	}
	return KindFile
}

// hasTasks reports whether the segment holds the tasks of a pool, among its first objects.
func (s *Segment) hasTasks() bool {
	for i := range min(s.header.UsedEntries, 16) {
		if e, err := s.entry(i); err == nil && e.State == segment.EntryLive && e.Kind == segment.KindTasks {
			return true
		}
	}
	return false
}

// Processes are those that were attached, the living first.
func (s *Segment) Processes() []Process { return s.processes }

// WaitList are the waits, the longest first.
func (s *Segment) WaitList() []Wait { return s.waits }

// CycleList are the cycles of waits; what each waits for the process of the next one holds.
func (s *Segment) CycleList() [][]Wait { return s.cycles }

// ReadAt copies bytes of the segment.
func (s *Segment) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.file.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the file ends at %d bytes: %w", s.file.Stat.Size, io.ErrUnexpectedEOF)
	}
	return n, err
}

// Process is what is known of the process with that id.
func (s *Segment) Process(o proctab.Owner) describe.Process { return s.process(o).Process }

// process finds a process by its id. A process that another has taken the slot of has ended.
func (s *Segment) process(o proctab.Owner) Process {
	if i, ok := s.byOwner[o]; ok {
		return s.processes[i]
	}
	return Process{Process: describe.Process{Slot: o.Slot(), Owner: o}}
}

var _ describe.Source = (*Segment)(nil)

// row is the size of a process's row in the table of waits.
const row = lock.RowBytes

// Copy copies all of the segment that takes memory into mem-sized pieces, one behind the other.
// What the file has no memory for reads as zeros.
//
// Errors: those of the file, and of write.
func (s *Segment) Copy(write func(b []byte, off int64) error) error {
	h := &s.header
	entries := h.Entries + uint64(h.UsedEntries)*uint64(h.EntryBytes)
	buffer := make([]byte, 256<<10)
	for _, part := range [][2]uint64{{0, entries}, {h.Heap, h.Top}} {
		for off := part[0]; off < part[1]; {
			b := buffer[:min(uint64(len(buffer)), part[1]-off)]
			if _, err := s.ReadAt(b, int64(off)); err != nil {
				return err
			}
			if err := write(b, int64(off)); err != nil {
				return err
			}
			off += uint64(len(b))
		}
	}
	return nil
}

// maxCopied is how large a segment may be to be checked.
const maxCopied = 8 << 30

// Check walks a copy of the segment, as its processes do under their lock. While the directory is
// being changed it copies anew, a few times.
//
// Errors: [segment.ErrCorrupt] with the first thing that is wrong, [ErrChanging].
func (s *Segment) Check() (r directory.Report, err error) {
	if s.header.Size > maxCopied {
		return r, fmt.Errorf("%s: has %d bytes, and more than %d are not checked", s.Path, s.header.Size, int64(maxCopied))
	}
	for range 20 {
		mem := make([]byte, s.header.Size)
		before, err := s.mark()
		if err != nil {
			return r, err
		}
		if err := s.Copy(func(b []byte, off int64) error { copy(mem[off:], b); return nil }); err != nil {
			return r, err
		}
		after, err := s.mark()
		if err != nil {
			return r, err
		}
		r, err = segment.CheckCopy(s.Path, mem)
		if err == nil || before == after {
			return r, err
		}
	}
	return r, fmt.Errorf("%s: %w", s.Path, ErrChanging)
}

// ErrChanging says that a segment was changed each time it was read.
var ErrChanging = errors.New("it changes each time it is read: try again")

// mark is what tells the states of directory and heap apart, and whether a process changes them.
func (s *Segment) mark() (mark [5]uint64, err error) {
	page := make([]byte, segment.HeaderBytes)
	if _, err := s.ReadAt(page, 0); err != nil {
		return mark, err
	}
	h, err := segment.ReadHeader(page, s.file.Stat.Size)
	if errors.Is(err, segment.ErrTruncated) {
		err = nil
	}
	s.header = h
	return [5]uint64{h.Changes, uint64(h.Lock.Owner), h.Free, h.Top, uint64(h.Live)<<32 | uint64(h.Retired)}, err
}

// Layout says where the parts of a segment are that hold no values: what a copy without values
// keeps.
func (s *Segment) Layout() (heap, top uint64) { return s.header.Heap, s.header.Top }
