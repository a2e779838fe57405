package lock

import "fmt"

// A Target says what a wait is for: one object of the segment, and one way of waiting for it. 0 is
// a wait that is not reported.
//
//	bits  0..31  the low bits of the object's serial number
//	bits 32..55  the number of its entry in the directory
//	bits 56..63  Role
//
// Of an object with many locks the number of the lock takes bits 22..31.
type Target uint64

const (
	serialBits = 32
	indexBits  = 24
	stripeAt   = 22 // in the bits of the serial number

	// MaxStripes is how many locks an object can have that waits are reported for.
	MaxStripes = 1 << (serialBits - stripeAt)
)

// NewTarget is the wait in a role for the object with that serial number at entry index of the
// directory.
func NewTarget(role Role, index uint32, serial uint64) Target {
	return Target(role)<<(serialBits+indexBits) | Target(index&(1<<indexBits-1))<<serialBits | Target(uint32(serial))
}

// NewStripeTarget is [NewTarget] for one of the locks of an object, of which there are at most
// [MaxStripes].
func NewStripeTarget(role Role, index uint32, serial uint64, stripe uint32) Target {
	return NewTarget(role, index, uint64(stripe)<<stripeAt|serial&(1<<stripeAt-1))
}

// Stripe is the number of the lock, of an object that has many.
func (s Target) Stripe() uint32 { return uint32(s) >> stripeAt }

// Names reports whether the wait can be for the object with that serial number.
func (s Target) Names(serial uint64) bool {
	bits := uint32(1<<serialBits - 1)
	if r := s.Role(); r == RoleStripe || r == RoleFill {
		bits = 1<<stripeAt - 1
	}
	return uint32(s)&bits == uint32(serial)&bits
}

// Role is the way of waiting.
func (s Target) Role() Role { return Role(s >> (serialBits + indexBits)) }

// Index is the number of the object's entry.
func (s Target) Index() uint32 { return uint32(s>>serialBits) & (1<<indexBits - 1) }

// Serial is the low half of the object's serial number.
func (s Target) Serial() uint32 { return uint32(s) }

// A Role is a way of waiting for an object. The numbers are part of the format.
type Role uint8

// The roles of waiters.
const (
	RoleLock      Role = 1 + iota // waits to have the lock alone
	RoleRLock                     // waits to read-lock
	RoleDrain                     // has the write lock, waits for the readers to leave
	RoleAcquire                   // waits for units of a Semaphore
	RoleCond                      // waits for a Signal
	RoleEvent                     // waits for a Set
	RoleBarrier                   // waits for the other parties
	RoleOnce                      // for the process that runs the function
	RoleWaitGroup                 // waits for the count to become 0
	RolePut                       // for room in a queue
	RoleGet                       // for a message in a queue
	RoleDirectory                 // for the segment's own lock; the Target names no object
	RoleJoin                      // for all messages of a queue to be done
	RoleDial                      // for room in the backlog of a listener
	RoleStripe                    // to have one of the locks of a Dict
	RoleFill                      // for the process that fills a key of a Dict
	RoleReaders                   // for readers of a broadcast
	roleEnd
)

var roleNames = [roleEnd]string{
	RoleLock:      "lock",
	RoleRLock:     "read lock",
	RoleDrain:     "write lock, behind readers",
	RoleAcquire:   "acquire",
	RoleCond:      "signal",
	RoleEvent:     "event",
	RoleBarrier:   "barrier",
	RoleOnce:      "once",
	RoleWaitGroup: "wait group",
	RolePut:       "put",
	RoleGet:       "get",
	RoleDirectory: "directory",
	RoleJoin:      "join",
	RoleDial:      "dial",
	RoleStripe:    "lock of a stripe",
	RoleFill:      "fill",
	RoleReaders:   "readers",
}

func (r Role) String() string {
	if r == 0 || r >= roleEnd {
		return fmt.Sprintf("unknown role %d", uint8(r))
	}
	return roleNames[r]
}
