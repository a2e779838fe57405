package inspect

import (
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

// A Wait is one process's wait for one object.
type Wait struct {
	Process Process   `json:"process"`
	Object  string    `json:"object"`
	Kind    string    `json:"kind"`
	Role    string    `json:"role"`
	Since   time.Time `json:"since"`
	// the processes that it waits for, as far as they are known
	Holders []describe.Process `json:"holders"`

	listed lock.Wait
	needed []proctab.Owner // processes that must act before the wait can end
}

// mostWaits is how many waits are looked at.
const mostWaits = 4096

func (s *Segment) readWaits() error {
	before, unlisted := s.listedWaits()
	s.UnlistedWaits = unlisted
	slices.SortStableFunc(before, func(a, b lock.Wait) int { return a.Since.Compare(b.Since) })
	if len(before) > mostWaits {
		s.UnlistedWaits += len(before) - mostWaits
		before = before[:mostWaits]
	}
	// Only waits that go on are shown: a process that waits before and after the look at the
	// holders has not taken an object meanwhile.
	found := make([]Wait, 0, len(before))
	for _, w := range before {
		if wait, ok := s.wait(w, before); ok {
			found = append(found, wait)
		}
	}
	after, _ := s.listedWaits()
	still := map[lock.Wait]bool{}
	for _, w := range after {
		still[w] = true
	}
	s.waits = slices.DeleteFunc(found, func(w Wait) bool { return !still[w.listed] })
	s.Waits = len(s.waits)
	s.findCycles()
	return nil
}

func (s *Segment) findCycles() {
	needs := make([]lock.Need, len(s.waits))
	for i, w := range s.waits {
		needs[i] = lock.Need{Owner: w.listed.Owner, Needed: w.needed}
	}
	for _, numbers := range lock.Cycles(needs) {
		cycle := make([]Wait, len(numbers))
		for i, n := range numbers {
			cycle[i] = s.waits[n]
		}
		s.cycles = append(s.cycles, cycle)
	}
	s.Cycles = len(s.cycles)
}

// listedWaits are the waits in the table of those processes that live.
func (s *Segment) listedWaits() (all []lock.Wait, unlisted int) {
	mem := make([]byte, row)
	for i := range s.processes {
		p := &s.processes[i]
		if !p.Living {
			continue
		}
		if _, err := s.ReadAt(mem, int64(s.header.Waits)+int64(p.Slot)*row); err != nil {
			continue // the file ends there
		}
		owner, waits, more := lock.WaitsIn(mem)
		if owner == p.Owner {
			all = append(all, waits...)
			unlisted += more
		}
	}
	return all, unlisted
}

// wait says what a wait is for; false when that is not known, as the object is gone.
func (s *Segment) wait(listed lock.Wait, all []lock.Wait) (w Wait, ok bool) {
	role := listed.Target.Role()
	w = Wait{Process: s.process(listed.Owner), Role: role.String(), Since: listed.Since, Holders: []describe.Process{}, listed: listed}
	var holders []proctab.Owner
	if role == lock.RoleDirectory {
		w.Object, w.Kind = directoryName, directoryKind
		if l := s.header.Lock; !l.Handed {
			holders = []proctab.Owner{l.Owner}
		}
	} else {
		e, name, ok := s.named(listed.Target)
		if !ok {
			return w, false
		}
		w.Object, w.Kind = e.Name(name), e.Kind.String()
		holders = s.holders(&e, listed, all)
	}
	slices.Sort(holders)
	for _, o := range slices.Compact(holders) {
		if p := s.process(o); p.Living {
			w.Holders = append(w.Holders, p.Process)
			w.needed = append(w.needed, o)
		}
	}
	if len(w.needed) != 1 && !role.NeedsAll() {
		w.needed = nil
	}
	return w, true
}

// holders are the processes that an object says a wait goes on for.
func (s *Segment) holders(e *segment.Entry, listed lock.Wait, all []lock.Wait) []proctab.Owner {
	if e.Layout != e.Kind.Layout() {
		return nil
	}
	role := listed.Target.Role()
	view := describe.NewView(s, e.Kind, "", e.Start(), e.Size)
	if at, ok := segment.LockAt(e.Kind, listed.Target); ok {
		mem, err := view.Bytes(uint64(at), lock.RegionBytes)
		if err != nil {
			return nil
		}
		return []proctab.Owner{lock.HolderIn(mem)}
	}
	if role != lock.RoleDrain && role != lock.RoleAcquire && role != lock.RoleBarrier && role != lock.RoleWaitGroup {
		return nil
	}
	mem, err := view.Bytes(0, e.Size)
	if err != nil {
		return nil
	}
	owners := segment.SharersIn(e.Kind, role, mem)
	if role == lock.RoleBarrier { // those that wait have arrived
		for _, w := range all {
			if w.Target == listed.Target {
				owners = slices.DeleteFunc(owners, func(o proctab.Owner) bool { return o == w.Owner })
			}
		}
	}
	return owners
}

// String says what the wait is for, and which processes have it.
func (w Wait) String() string {
	text := fmt.Sprintf("%s %q (%s)", w.Kind, w.Object, w.Role)
	for i, h := range w.Holders {
		if i == 0 {
			text += ", held by "
		} else {
			text += ", "
		}
		text += h.String()
	}
	return text
}
