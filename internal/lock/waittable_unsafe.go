package lock

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

const (
	// RowBytes is how much shared memory the table needs for each slot of the process table,
	// aligned to 8 bytes. Zeros are a row without an owner.
	RowBytes = 512

	entriesPerRow = 31
)

// waitRow is what the process in one slot of the process table waits for.
//
//	off  size  field     written by        read by  invariant
//	  0     4  owner     process, at join  all      the row's process; 0, or another one than has the slot: the rest means nothing
//	  4     4  overflow  process           people   waits that found no entry free
//	  8     4  answered  process           all      see WaitTable.Answer; 0: nothing yet
//	 12     4  -
//	 16   496  entries   process           all
type waitRow struct {
	_        structs.HostLayout
	owner    atomic.Uint32
	overflow atomic.Uint32
	answered atomic.Uint32
	_        [4]byte
	entries  [entriesPerRow]waitEntry
}

// waitEntry is one wait.
//
//	off  size  field    written by  read by  invariant
//	  0     8  target   process     all      0: none, else a Target
//	  8     8  since    process     all      nanoseconds since 1970; written before the target
type waitEntry struct {
	_      structs.HostLayout
	target atomic.Uint64
	since  atomic.Int64
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(waitRow{}.overflow)-4]
	_ = [1]struct{}{}[unsafe.Offsetof(waitRow{}.entries)-16]
	_ = [1]struct{}{}[unsafe.Sizeof(waitRow{})-RowBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(waitEntry{}.since)-8]
	_ = [1]struct{}{}[unsafe.Sizeof(waitEntry{})-16]
)

// rowsIn views mem, which must be aligned to 8 bytes, as rows of a table of waits.
func rowsIn(mem []byte) []waitRow {
	return unsafe.Slice((*waitRow)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/RowBytes)
}
