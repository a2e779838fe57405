package shmsync

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A BlockedReport says which processes wait for what in a segment.
type BlockedReport struct {
	Waits []BlockedWait // the longest first
	// each wait is for what the process of the next one holds, and the last one for what the first
	// holds
	Cycles   [][]BlockedWait
	Unlisted int // waits that are not in the report: no more than 31 of a process are
}

// A BlockedWait is one process's wait for one object. However many goroutines of the process wait
// for it, it is one wait.
type BlockedWait struct {
	Process Process   // the process that waits
	Object  string    // the name of what it waits for
	Kind    string    // what that is: "Mutex", "Barrier", …
	Role    string    // what it wants of it: "lock", "read lock", "put", …
	Since   time.Time // when it stopped spinning

	// Holders are the processes that it waits for, as far as they are known: the owner of a lock,
	// its readers, the holders of units of a Semaphore with Undo, the parties that have not arrived
	// at a Barrier, the processes with additions to a WaitGroup with Undo that are not done.
	Holders []Process
}

// A Process is an attachment of a process to a segment. The fields are zero when nothing is known
// about it any more.
type Process struct {
	PID      int       // as it is in its own PID namespace
	Program  string    // the name of its program, or the first 23 bytes of it
	Attached time.Time // when it opened the segment

	owner proctab.Owner
}

// String returns the process id and the name of the program, as far as they are known.
func (p Process) String() string { return proctab.Info{PID: p.PID, Program: p.Program}.String() }

func processOf(s *segment.Segment, o proctab.Owner) Process {
	who, _ := s.Table().Info(o)
	return Process{PID: who.PID, Program: who.Program, Attached: who.Started, owner: o}
}

// Blocked lists the waits of all processes in the segment, and the cycles among them. It takes no
// lock, and does not disturb the waiters. Waits that have not slept yet are not in the list, and
// neither are waits for objects that other packages made without telling which.
//
// A cycle is one of processes, and may yet come apart: when one of them gives up waiting, or
// another of its goroutines lets go of what it holds.
//
// Errors: [ErrClosed].
func Blocked(seg *shm.Segment) (*BlockedReport, error) {
	s := segment.Of(seg)
	if s.Closed() {
		return nil, fmt.Errorf("shmsync: list what processes of %s wait for: %w", s.Path(), ErrClosed)
	}
	r := &BlockedReport{}
	before, _ := postings(s)
	found := make([]link, 0, len(before))
	for _, p := range before {
		if w, ok := linkOf(s, p); ok {
			found = append(found, w)
		}
	}
	// The report has only waits that go on. A process that waits before and after the look at the
	// holders has not taken an object meanwhile, so that the entries of the report fit together.
	after, unlisted := postings(s)
	found = slices.DeleteFunc(found, func(w link) bool { return !slices.Contains(after, w.posting) })
	slices.SortStableFunc(found, func(a, b link) int { return a.Since.Compare(b.Since) })
	for _, w := range found {
		r.Waits = append(r.Waits, w.BlockedWait)
	}
	r.Cycles, r.Unlisted = cyclesIn(found), unlisted
	return r, nil
}

func cyclesIn(found []link) (cycles [][]BlockedWait) {
	needs := make([]lock.Need, len(found))
	for i, w := range found {
		needs[i] = lock.Need{Owner: w.posting.Owner, Needed: w.needed}
	}
	for _, numbers := range lock.Cycles(needs) {
		cycle := make([]BlockedWait, len(numbers))
		for i, n := range numbers {
			cycle[i] = found[n].BlockedWait
		}
		cycles = append(cycles, cycle)
	}
	return cycles
}

func postings(s *segment.Segment) (all []lock.Wait, unlisted int) {
	unlisted = s.Party().Waits.All(func(p lock.Wait) bool {
		all = append(all, p)
		return true
	})
	return all, unlisted
}

// A link is a BlockedWait with what the program needs to know about it.
type link struct {
	BlockedWait
	posting lock.Wait
	needed  []proctab.Owner // processes that must act before the wait can end
}

// linkOf says what a posting is about; false when that is not known, as the object is gone, or
// the board damaged.
func linkOf(s *segment.Segment, p lock.Wait) (w link, ok bool) {
	role := p.Target.Role()
	w.posting = p
	w.BlockedWait = BlockedWait{Process: processOf(s, p.Owner), Role: role.String(), Since: p.Since}
	var holders []proctab.Owner
	if role == lock.RoleDirectory {
		w.Object, w.Kind = "(directory)", "directory"
		holders = s.DirectoryHolders()
	} else {
		o, ok := s.Awaited(p.Target)
		if !ok {
			return w, false
		}
		w.Object, w.Kind = o.Name, o.Kind.String()
		holders = s.Holders(o, p.Target)
	}
	for _, h := range holders {
		w.Holders = append(w.Holders, processOf(s, h))
	}
	if len(holders) == 1 || role.NeedsAll() {
		w.needed = holders
	}
	return w, true
}

// String is the report for people, a line for each wait and each cycle.
func (r *BlockedReport) String() string {
	var b strings.Builder
	if len(r.Waits) == 0 {
		b.WriteString("nobody waits\n")
	}
	for _, w := range r.Waits {
		fmt.Fprintf(&b, "%v waits %v for %v\n", w.Process, time.Since(w.Since).Round(time.Millisecond), w.wanted())
	}
	if r.Unlisted > 0 {
		fmt.Fprintf(&b, "%d further waits\n", r.Unlisted)
	}
	for _, c := range r.Cycles {
		fmt.Fprintf(&b, "cycle: %s\n", circle(c))
	}
	return b.String()
}

// wanted says what the wait is for, and which processes have it.
func (w BlockedWait) wanted() string {
	text := fmt.Sprintf("%s %q (%s)", w.Kind, w.Object, w.Role)
	if len(w.Holders) == 0 {
		return text
	}
	names := make([]string, len(w.Holders))
	for i, h := range w.Holders {
		names[i] = h.String()
	}
	return text + " of " + strings.Join(names, ", ")
}

// circle says which process waits for which.
func circle(c []BlockedWait) string {
	var b strings.Builder
	for i, w := range c {
		fmt.Fprintf(&b, "%v waits for %s %q (%s) of ", w.Process, w.Kind, w.Object, w.Role)
		if i < len(c)-1 {
			fmt.Fprintf(&b, "%v; ", c[i+1].Process)
		} else {
			fmt.Fprintf(&b, "%v", c[0].Process)
		}
	}
	return b.String()
}
