package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

// An Incident is the death of a process, or what another did because of it.
type Incident struct {
	Number uint64           `json:"number"` // from 1
	Time   time.Time        `json:"time"`
	Kind   string           `json:"kind"` // "death", "takeover", "rebuild"
	Dead   describe.Process `json:"dead"`
	By     describe.Process `json:"by"` // noticed the death, took over, or mended the directory
	// what the dead process had, as far as that is known, and there still
	Object     string `json:"object,omitempty"`
	ObjectKind string `json:"objectKind,omitempty"`
	Role       string `json:"role,omitempty"`
}

var incidentKinds = map[proctab.IncidentKind]string{
	proctab.IncidentDeath: "death", proctab.IncidentTakeover: "takeover", proctab.IncidentRebuild: "rebuild",
}

// readIncidents reads the last incidents, and how many there were.
func (s *Segment) readIncidents() {
	before := s.header.Incidents
	page := make([]byte, segment.HeaderBytes)
	if _, err := s.ReadAt(page, 0); err != nil {
		s.trouble("its incidents cannot be read: %v", err)
		return
	}
	now := segment.IncidentsIn(page)
	s.Deaths += now.Deaths
	s.Takeovers, s.Rebuilds = now.Takeovers, now.Rebuilds
	s.Incidents = []Incident{}
	for _, i := range now.Last {
		// else it may have been copied while it was being written
		if slices.Contains(before.Last, i) {
			s.Incidents = append(s.Incidents, s.incident(i))
		}
	}
}

func (s *Segment) incident(i proctab.Incident) Incident {
	told := Incident{Number: i.Number, Time: i.Time, Kind: incidentKinds[i.Kind], By: s.process(i.By).Process,
		Dead: describe.Process{Slot: i.Dead.Slot(), Owner: i.Dead, PID: i.DeadIs.PID, Program: i.DeadIs.Program}}
	told.By.PID = cmp.Or(told.By.PID, i.ByPID)
	target := lock.Target(i.Target)
	if i.Target == 0 {
		return told
	}
	told.Role = target.Role().String()
	if target.Role() == lock.RoleDirectory {
		told.Object, told.ObjectKind = directoryName, directoryKind
	} else if e, name, ok := s.named(target); ok {
		told.Object, told.ObjectKind = e.Name(name), e.Kind.String()
	}
	return told
}

// String is the incident in a line, without its time.
func (i Incident) String() string {
	dead := proctab.Info{PID: i.Dead.PID, Program: i.Dead.Program}
	by := proctab.Info{PID: i.By.PID, Program: i.By.Program}
	switch {
	case i.Kind == incidentKinds[proctab.IncidentDeath]:
		return fmt.Sprintf("%v died, as %v noticed", dead, by)
	case i.Kind == incidentKinds[proctab.IncidentRebuild]:
		return fmt.Sprintf("%v mended the directory after %v", by, dead)
	case i.Object == "":
		return fmt.Sprintf("%v took over from %v an object that is gone", by, dead)
	}
	return fmt.Sprintf("%v took over from %v: %s %q (%s)", by, dead, i.ObjectKind, i.Object, i.Role)
}

// What the lock of the directory is called beside those of objects.
const (
	directoryName = "(directory)"
	directoryKind = "directory"
)

// named is the object that a target names, with its name; false when it is not there any more.
func (s *Segment) named(target lock.Target) (e segment.Entry, name string, ok bool) {
	e, err := s.entry(target.Index())
	if err != nil || e.State == segment.EntryFree || !target.Names(e.Serial) {
		return e, "", false
	}
	name, _, err = s.text(&e)
	return e, name, err == nil
}
