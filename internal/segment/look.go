package segment

import (
	"errors"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/lock/barrier"
	"github.com/shmkit/shmkit/internal/lock/rwmutex"
	"github.com/shmkit/shmkit/internal/lock/semaphore"
	"github.com/shmkit/shmkit/internal/lock/waitgroup"
	"github.com/shmkit/shmkit/internal/proctab"
)

// What a reader sees that does not attach: it reads copies of the regions, which may change
// meanwhile, be damaged, or be of another program.

const (
	// HeaderBytes is the size of the header.
	HeaderBytes = directory.HeaderBytes
	// BlockHeaderBytes is what comes in front of the bytes of a block.
	BlockHeaderBytes = directory.BlockHeaderBytes
	// Version is the version of the format.
	Version = directory.Version
)

// A Header is what the first page of a segment says.
type Header struct {
	Identity   directory.Identity
	Version    uint32
	Slots      uint32 // of the process table
	MaxObjects uint32
	EntryBytes uint32
	Size       uint64 // bytes of the file
	Table      uint64 // offsets of the regions
	Waits      uint64
	Buckets    uint64
	Entries    uint64
	Heap       uint64

	Boot        [2]uint64
	Lock        lock.State // of the directory
	Changes     uint64     // odd: chains are being taken apart
	UsedEntries uint32     // entries [0, UsedEntries) may have objects
	Live        uint32     // objects with a name
	Retired     uint32     // objects without one
	Top         uint64     // end of the last block
	Reserved    uint64     // bytes of the heap that are reserved
	Free        uint64     // bytes of free blocks
	Incidents   proctab.Incidents
}

// ErrTruncated says that a file is shorter than its header says. What the header says is known all
// the same.
var ErrTruncated = errors.New("the file is shorter than the segment")

// ReadHeader reads a copy of a header. File is the size of the file in bytes.
//
// Errors: [ErrFormat], with [ErrTruncated] when that alone is wrong.
func ReadHeader(page []byte, file int64) (Header, error) {
	if len(page) < directory.HeaderBytes {
		if directory.HasMagic(page) {
			return Header{}, directory.FormatError("is too short for a segment (%d bytes): remove it", file)
		}
		return Header{}, directory.FormatError("is not a shmkit segment (%d bytes): check the path", file)
	}
	h := directory.HeaderIn(page)
	g, id, err := directory.Decode(page, int64(max(uint64(max(file, 0)), min(h.Size, directory.MaxSize))))
	if err != nil {
		return Header{}, err
	}
	if int64(g.Size) > file {
		err = errors.Join(ErrTruncated, directory.FormatError("has %d bytes of %d: it was truncated", file, g.Size))
	}
	return Header{
		Identity: id, Version: h.Version, Slots: g.Slots, MaxObjects: g.MaxObjects, EntryBytes: g.EntryBytes, Size: g.Size,
		Table: g.Table, Waits: g.Board, Buckets: g.Buckets, Entries: g.Entries, Heap: g.Heap,
		Boot: h.BootID(), Lock: lock.LookAt(h.Lock[:]), Changes: h.Changes.Load(),
		UsedEntries: uint32(min(uint64(h.Used.Load()), uint64(g.MaxObjects), h.EntriesReal.Load()/uint64(g.EntryBytes))),
		Live:        h.Live.Load(), Retired: h.Retired.Load(),
		Top: max(g.Heap, min(h.Brk.Load(), g.Size)), Reserved: min(h.HeapReal.Load(), g.Size-g.Heap), Free: h.FreeBytes,
		Incidents: IncidentsIn(page),
	}, err
}

// IncidentsIn are the incidents in a copy of a header.
func IncidentsIn(page []byte) proctab.Incidents {
	return proctab.LookAtIncidents(directory.HeaderIn(page).Incidents[:])
}

// An Entry is what an entry of the directory says.
type Entry struct {
	State  EntryState
	Serial uint64
	Kind   Kind
	Layout uint32 // version of the payload

	NameBytes, TypeBytes uint32
	Block, Size          uint64 // where the block is, and bytes of the payload
	payload              uint32
	users                []byte
}

// An EntryState says what an entry holds.
type EntryState uint8

// The states of entries.
const (
	EntryFree    EntryState = directory.StateFree
	EntryLive    EntryState = directory.StateLive
	EntryRemoved EntryState = directory.StateRemoved
	EntryUnnamed EntryState = directory.StateUnnamed
)

// ReadEntry reads a copy of an entry, which has as many bytes as the header says.
func ReadEntry(mem []byte) Entry {
	e := directory.EntryIn(mem)
	state := e.State.Load()
	return Entry{
		State: EntryState(state & directory.StateMask), Serial: state >> directory.SerialShift, Kind: Kind(e.Kind), Layout: e.Layout,
		NameBytes: e.NameBytes, TypeBytes: e.TypeBytes, Block: e.Block, Size: e.Size, payload: e.Payload,
		users: mem[directory.EntryBytes:],
	}
}

// Text is where the object's name lies; its type follows it.
func (e *Entry) Text() uint64 { return e.Block + directory.BlockHeaderBytes }

// Start is where the payload lies.
func (e *Entry) Start() uint64 { return e.Block + uint64(e.payload) }

// IsSound reports whether an object can be where the entry says.
func (e *Entry) IsSound(h *Header) bool {
	return directory.IsSound(h.Heap, h.Top, e.Block, e.Size, uint64(e.payload), uint64(e.NameBytes), uint64(e.TypeBytes))
}

// Name is what the object is called that has these bytes as its name.
func (e *Entry) Name(given string) string {
	if given == "" {
		return label(e.Serial)
	}
	return given
}

// HasOpen reports whether the process in a slot has the object open.
func (e *Entry) HasOpen(slot int) bool {
	return slot/8 < len(e.users) && e.users[slot/8]>>(slot%8)&1 != 0
}

// LockAt is where in the payload of an object of that kind the lock lies that such a wait is for;
// false when that is none for a lock.
func LockAt(kind Kind, target lock.Target) (at int, ok bool) {
	switch role := target.Role(); kind {
	case KindMutex, KindRecursiveMutex, KindValue, KindArray, KindVar, KindList:
		return 0, role == lock.RoleLock
	case KindRWMutex:
		return 0, role == lock.RoleLock || role == lock.RoleRLock
	case KindOnce:
		return onceLockAt, role == lock.RoleOnce
	case KindWaitingBroadcast, KindBroadcastBytes, KindBroadcastObjects:
		return castTurnsAt, role == lock.RoleLock
	case KindDict:
		return dictLocksAt + int(target.Stripe())*dictLocksApart, role == lock.RoleStripe
	}
	return 0, false
}

// SharersIn are the processes in a payload that a wait in a role goes on for which no single
// process has. Of a Barrier they are all its parties, those that wait included.
func SharersIn(kind Kind, role lock.Role, payload []byte) []proctab.Owner {
	switch {
	case role == lock.RoleDrain && kind == KindRWMutex:
		return rwmutex.Readers(payload)
	case role == lock.RoleAcquire && kind == KindSemaphore:
		return semaphore.Holders(payload)
	case role == lock.RoleBarrier && kind == KindBarrier:
		return barrier.Owners(payload)
	case role == lock.RoleWaitGroup && kind == KindWaitGroup:
		return waitgroup.Debtors(payload)
	case role == lock.RolePut && (kind == KindWaitingBroadcast || kind == KindBroadcastBytes || kind == KindBroadcastObjects):
		return []proctab.Owner{slowestReader(payload)}
	}
	return nil
}

// slowestReader is the owner of the reader that a writer of a broadcast without room waits for, or
// 0.
func slowestReader(payload []byte) proctab.Owner {
	if len(payload) < castStatesAt {
		return 0
	}
	const cells = 1<<11 - 1
	n := int(wordIn(payload[castAwaitedAt:]).Load() & cells)
	at := castStatesAt + 8*(n-1)
	if n == 0 || at+8 > len(payload) {
		return 0
	}
	return proctab.Owner(wordIn(payload[at:]).Load() & proctab.OwnerMask)
}
