package proctab

// A Condition says what has become of the process that had a slot last.
type Condition uint8

// The conditions of a slot.
const (
	Unused   Condition = iota // no process ever had it
	Attached                  // its process lives, as far as the word tells
	Left                      // its process has detached
	Died                      // its process ended without detaching
)

// A Look is what a slot says about its process, read from a copy of it.
type Look struct {
	Owner     Owner
	Condition Condition
	// ByLock says that the word alone does not tell whether the process lives: only a byte of the
	// file that it has locked does.
	ByLock bool
	// HasLock says that the process has that byte locked as long as it lives.
	HasLock bool
	// Noted says that a process has noticed the death, and counted it: see [Incidents].
	Noted bool
	Info  Info
	Known bool // Info is of this owner
}

// LookAt reads copies of slots, one behind the other.
func LookAt(mem []byte) []Look {
	slots := slotsIn(mem)
	looks := make([]Look, len(slots))
	for n := range slots {
		w := slots[n].word.Load()
		l := Look{Owner: ownerOf(n, epochOf(w)), ByLock: w&byteLocked != 0, HasLock: w&(locked|byteLocked) != 0, Noted: w&noted != 0}
		switch {
		case epochOf(w) == 0:
			l.Owner = 0
		case alive(w):
			l.Condition = Attached
		case w&ownerDied != 0:
			l.Condition = Died
		default:
			l.Condition = Left
		}
		info, epoch := slots[n].introduction()
		if l.Known = epoch != 0 && epoch == epochOf(w); l.Known {
			l.Info = info
		}
		looks[n] = l
	}
	return looks
}
