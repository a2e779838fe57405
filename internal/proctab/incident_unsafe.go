package proctab

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

const (
	// IncidentBytes is how much shared memory [Table.RecordIncidents] needs, aligned to 8 bytes.
	// Zeros are a segment without incidents.
	IncidentBytes = 64 + keptIncidents*incidentBytes

	keptIncidents = 32
	incidentBytes = 64
)

// incidentLog counts the deaths of processes and their consequences, and keeps the last of them.
//
//	off  size  field      written by       read by     invariant
//	  0     8  deaths     the first to notice one      for people  processes that ended without detaching
//	  8     8  takeovers  the one that took over       for people  what dead processes had, and others took
//	 16     8  rebuilds   lock holder      for people  how often the directory was mended
//	 24     8  count      all              all         incidents so far: n lies at n % 32
//	 64  2048  last       all              for people
type incidentLog struct {
	_         structs.HostLayout
	deaths    atomic.Uint64
	takeovers atomic.Uint64
	rebuilds  atomic.Uint64
	count     atomic.Uint64
	_         [32]byte
	last      [keptIncidents]incidentRecord
}

// incidentRecord is one incident.
//
//	off  size  field    written by    read by     invariant
//	  0     8  number   its reporter  for people  bits 0..7 kind, bits 8..63 its number from 1; 0: being written
//	  8     8  time     its reporter  for people  nanoseconds since 1970
//	 16     8  target   its reporter  for people  the object, and what the dead had of it; 0: none
//	 24     4  dead     its reporter  for people  Owner
//	 28     4  deadPID  its reporter  for people  0: unknown; in its own namespace
//	 32     4  by       its reporter  for people  Owner of the reporter; 0: it was attaching
//	 36     4  byPID    its reporter  for people  in its own namespace
//	 40    24  program  its reporter  for people  of the dead; NUL-padded
type incidentRecord struct {
	_       structs.HostLayout
	number  atomic.Uint64
	time    atomic.Int64
	target  atomic.Uint64
	dead    atomic.Uint32
	deadPID atomic.Uint32
	by      atomic.Uint32
	byPID   atomic.Uint32
	program [programWords]atomic.Uint64
}

// The layout is ABI between processes: each line stops compiling if it moves.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(incidentLog{}.count)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(incidentLog{}.last)-64]
	_ = [1]struct{}{}[unsafe.Sizeof(incidentLog{})-IncidentBytes]
	_ = [1]struct{}{}[unsafe.Offsetof(incidentRecord{}.program)-40]
	_ = [1]struct{}{}[unsafe.Sizeof(incidentRecord{})-incidentBytes]
)

// incidentsIn views the first [IncidentBytes] of mem, which must be aligned to 8 bytes.
func incidentsIn(mem []byte) *incidentLog {
	_ = mem[IncidentBytes-1]
	return (*incidentLog)(unsafe.Pointer(unsafe.SliceData(mem)))
}
