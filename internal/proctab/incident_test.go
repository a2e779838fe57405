//go:build linux

package proctab

import (
	"strings"
	"sync"
	"testing"
	"unicode"
	"unsafe"
)

// recorded has the incidents of some views of one table recorded in one place.
func recorded(views ...*file) []byte {
	words := make([]uint64, IncidentBytes/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), IncidentBytes)
	for _, f := range views {
		f.RecordIncidents(mem)
	}
	return mem
}

// Each death is counted once, by whichever process notices it: one that asks, or one that takes the
// slot. A process that detaches has not died.
func TestDeathIsCountedOnce(t *testing.T) {
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			f, path := openTable(t, 2)
			others := []*file{f}
			for range 3 {
				other := open(path)
				t.Cleanup(other.close)
				others = append(others, other)
			}
			mem := recorded(others...)
			leaves := m.start(t, roleMember, path)
			attached(t, leaves)
			leaves.Send("detach")
			leaves.Expect("detached")
			leaves.Kill()

			child := m.start(t, roleMember, path)
			o, _, _ := attached(t, child)
			pid := child.PID()
			if f.Dead(o) {
				t.Fatal("a living process is dead")
			}
			child.Kill()
			var all sync.WaitGroup
			for _, other := range others {
				all.Go(func() {
					for range 100 {
						if !other.Dead(o) {
							t.Error("a dead process lives")
						}
					}
				})
			}
			all.Wait()
			me := f.mustAttach()
			defer me.Detach()
			got := LookAtIncidents(mem)
			if got.Deaths != 1 || len(got.Last) != 1 {
				t.Fatalf("one process died: %+v", got)
			}
			if i := got.Last[0]; i.Kind != IncidentDeath || i.Dead != o || i.DeadIs.PID != pid || i.ByPID == 0 {
				t.Errorf("process %d, owner %#x: %+v", pid, o, i)
			}

			child = m.start(t, roleMember, path) // of two slots one is this process's
			attached(t, child)
			child.Kill()
			next := others[1].mustAttach() // takes the slot without having asked
			defer next.Detach()
			if got := LookAtIncidents(mem); got.Deaths != 2 || len(got.Last) != 2 {
				t.Errorf("two processes died: %+v", got)
			}
		})
	}
}

// The last incidents are kept, the oldest first.
func TestLastIncidentsAreKept(t *testing.T) {
	f, _ := openTable(t, 2)
	mem := recorded(f)
	me := f.mustAttach()
	defer me.Detach()
	for n := range uint64(keptIncidents + 8) {
		f.TookOver(me.ID(), n)
	}
	f.Rebuilt(me.ID())
	got := LookAtIncidents(mem)
	if got.Takeovers != keptIncidents+8 || got.Rebuilds != 1 || len(got.Last) != keptIncidents {
		t.Fatalf("%d takeovers, %d rebuilds, %d kept", got.Takeovers, got.Rebuilds, len(got.Last))
	}
	for i, one := range got.Last[:keptIncidents-1] {
		if one.Number != uint64(10+i) || one.Target != one.Number-1 || one.Kind != IncidentTakeover || one.By != me.ID() {
			t.Errorf("incident %d: %+v", i, one)
		}
	}
	if last := got.Last[keptIncidents-1]; last.Kind != IncidentRebuild {
		t.Errorf("the last one: %+v", last)
	}
}

// Bytes that were overwritten are no incident, or one with a name that a terminal can be trusted
// with.
func TestIncidentsOfGarbage(t *testing.T) {
	f, _ := openTable(t, 2)
	mem := recorded(f)
	for i := range mem {
		mem[i] = byte(i*7 + 1)
	}
	for i := range keptIncidents { // each third one of a kind that there is not
		mem[64+i*incidentBytes] = byte(i % 3)
	}
	got := LookAtIncidents(mem).Last
	if len(got) != keptIncidents*2/3 {
		t.Errorf("%d incidents", len(got))
	}
	for _, i := range got {
		if i.Kind == 0 || i.Dead > OwnerMask || strings.ContainsFunc(i.DeadIs.Program, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%+v", i)
		}
	}
}
