package proctab

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// An IncidentKind says what happened. The numbers are part of the format.
type IncidentKind uint8

// The kinds of incidents.
const (
	// IncidentDeath is a process that ended without detaching. The first process to notice it
	// reports it.
	IncidentDeath IncidentKind = 1 + iota
	// IncidentTakeover is a process that took what a dead one had of an object, or gave it up in
	// its place: a lock, units of a Semaphore, a message in its hands, an end of a queue.
	IncidentTakeover
	// IncidentRebuild is a process that mended the directory, which a dead one was changing.
	IncidentRebuild
	incidentEnd
)

// An Incident is a death, or a consequence of one.
type Incident struct {
	Number uint64 // from 1
	Kind   IncidentKind
	Time   time.Time
	// Target is what the dead process had, as package lock names what waits are for; 0: not known.
	Target uint64
	Dead   Owner
	DeadIs Info // its process id and program
	By     Owner
	ByPID  int // of the process that reported the incident
}

// Incidents are what befell the processes of a segment.
type Incidents struct {
	Deaths    uint64
	Takeovers uint64
	Rebuilds  uint64
	Last      []Incident // the oldest first
}

// RecordIncidents has incidents recorded in the first [IncidentBytes] of mem, which the table's
// processes share. It is called before the first use of the table.
func (t *Table) RecordIncidents(mem []byte) { t.incidents = incidentsIn(mem) }

// noteDeath reports the death of the process that has slot n while that holds w, unless a process
// has done so, and returns what the slot holds then.
//
// What a death leaves behind: a death that is not counted.
func (t *Table) noteDeath(n int, w uint64) uint64 {
	if t.incidents == nil || w&noted != 0 || w&livenessMask == 0 || !t.slots[n].word.CompareAndSwap(w, w|noted) {
		return w
	}
	crashpoint.Here("proctab.noted")
	t.incidents.deaths.Add(1)
	t.report(IncidentDeath, ownerOf(n, epochOf(w)), 0)
	return w | noted
}

// TookOver reports that this process took, or gave up, what a dead owner had. Target names the
// object as package lock does; 0 when it has no name.
func (t *Table) TookOver(dead Owner, target uint64) {
	if t.incidents != nil {
		t.incidents.takeovers.Add(1)
		t.report(IncidentTakeover, dead, target)
	}
}

// Rebuilt reports that this process mended the directory after the death of that owner.
func (t *Table) Rebuilt(dead Owner) {
	if t.incidents != nil {
		t.incidents.rebuilds.Add(1)
		t.report(IncidentRebuild, dead, 0)
	}
}

// report puts an incident in the place of the oldest.
//
// What a death leaves behind: an incident that is counted and not there.
func (t *Table) report(kind IncidentKind, dead Owner, target uint64) {
	number := t.incidents.count.Add(1)
	r := &t.incidents.last[(number-1)%keptIncidents]
	r.number.Store(0)
	crashpoint.Here("proctab.incident.begun")
	info, _ := t.Info(dead)
	r.time.Store(time.Now().UnixNano())
	r.target.Store(target)
	r.dead.Store(uint32(dead))
	r.deadPID.Store(uint32(info.PID))
	r.by.Store(t.me.Load())
	r.byPID.Store(uint32(os.Getpid()))
	for i, word := range packName(info.Program) {
		r.program[i].Store(word)
	}
	// SYNC: incident: the fields above speak of this one.
	r.number.Store(number<<8 | uint64(kind))
	runtime.KeepAlive(t)
}

// LookAtIncidents reads a copy of what [Table.RecordIncidents] writes to. Incidents that were being
// written are left out.
func LookAtIncidents(mem []byte) Incidents {
	l := incidentsIn(mem)
	all := Incidents{Deaths: l.deaths.Load(), Takeovers: l.takeovers.Load(), Rebuilds: l.rebuilds.Load()}
	for i := range l.last {
		r := &l.last[i]
		number := r.number.Load()
		kind := IncidentKind(number)
		if number>>8 == 0 || kind == 0 || kind >= incidentEnd {
			continue
		}
		var program [programWords]uint64
		for n := range program {
			program[n] = r.program[n].Load()
		}
		all.Last = append(all.Last, Incident{
			Number: number >> 8, Kind: kind, Time: time.Unix(0, r.time.Load()), Target: r.target.Load(),
			Dead: Owner(r.dead.Load() & OwnerMask), DeadIs: Info{PID: int(r.deadPID.Load()), Program: unpackName(program)},
			By: Owner(r.by.Load() & OwnerMask), ByPID: int(r.byPID.Load()),
		})
	}
	slices.SortFunc(all.Last, func(a, b Incident) int { return cmp.Compare(a.Number, b.Number) })
	return all
}
