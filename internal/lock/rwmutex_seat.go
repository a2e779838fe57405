package lock

import "github.com/shmkit/shmkit/internal/proctab"

// What a process's seat counts in a readers–writer lock, see [roster]:
//
//	bits 34..63  owner id of the process
//	bit  33      waits: readers of this process wait for a writer to leave, and have not had their turn since
//	bit  32      barred: a writer has closed this process's way in
//	bit  31      left: the process closes its segment
//	bit  30      guard: 1, so that a RUnlock too many changes nothing above it before it is taken back
//	bits  0..29  how many readers of this process are inside, or about to find out that they are not
//
// A reader comes by adding one and leaves by subtracting one. It is inside if the bits above the count
// say so at this moment: then any writer that bars the seat later sees it counted. All that is read and changed at once
// is one word, and only its own process and who holds writers write to it.
const (
	seatWaits  = 1 << 33
	seatBarred = 1 << 32
	seatLeft   = 1 << 31
	seatGuard  = 1 << 30
	seatCount  = seatGuard - 1

	// ReaderBits is how many bits of a seat count readers.
	ReaderBits = 30
)

// seatKey is what the bits above the count of the owner's seat are when the way in is open and nobody waits.
func seatKey(owner proctab.Owner) uint64 {
	return (uint64(owner)<<seatOwnerShift | seatGuard) >> ReaderBits
}

// hasReaders reports whether the seat w counts anybody.
func hasReaders(w uint64) bool { return w&seatCount != 0 }

// hasTurn reports whether the process of the seat w waits for its readers' turn and may take it now.
func hasTurn(w uint64) bool { return w&(seatWaits|seatBarred) == seatWaits }

// isOpen reports whether w, the seat of me, lets its readers in.
func isOpen(w uint64, me proctab.Owner) bool {
	return w&(seatBarred|seatLeft|seatGuard) == seatGuard && ownerOfSeat(w) == me
}

// isWhole reports whether w can be the seat of me.
func isWhole(w uint64, me proctab.Owner) bool { return w&seatGuard != 0 && ownerOfSeat(w) == me }
