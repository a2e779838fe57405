package metrics

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/metrics/internal/snapshot"
)

// labelOf is what the series of a segment are called.
func labelOf(s snapshot.Segment) string {
	if s.Kind == inspect.KindFile {
		return filepath.Base(s.Name)
	}
	return strings.TrimPrefix(s.Identity, "id:")
}

// segment passes on all series of a segment.
func (e emitter) segment(s snapshot.Segment, limit int) {
	name := labelOf(s)
	e.emit(segmentInfo, 1, name, s.Identity, fmt.Sprint(s.Format))
	for f, value := range map[*family]float64{
		segmentSize: float64(s.SizeBytes), segmentReserved: float64(s.ReservedBytes), segmentFree: float64(s.FreeBytes),
		segmentObjects: float64(s.Segment.Objects), segmentLimit: float64(s.MaxObjects), segmentRemoved: float64(s.Removed),
		processLimit: float64(s.MaxProcesses), segmentTrouble: float64(len(s.Trouble)),
		segmentDeaths: float64(s.Deaths), segmentTakeovers: float64(s.Takeovers), segmentRebuilds: float64(s.Rebuilds),
		waitsUnlisted: float64(s.UnlistedWaits), waitCycles: float64(s.Cycles),
	} {
		e.emit(f, value, name)
	}
	e.emit(segmentProcesses, float64(s.Living), name, "living")
	e.emit(segmentProcesses, float64(s.Ended), name, "ended")
	e.waits(name, s.Waits)
	var values []value
	for _, o := range s.Objects {
		values = append(values, valuesOf(o)...)
	}
	if len(s.Objects) > limit {
		values = sums(values)
		e.emit(objectsOmitted, float64(len(s.Objects)), name)
	} else {
		e.emit(objectsOmitted, 0, name)
	}
	for _, v := range values {
		labels := []string{name, v.object}
		if v.hasKind {
			labels = append(labels, v.kind)
		}
		e.emit(v.family, v.value, labels...)
	}
}

// waits passes on how many waits there are for each object, and how old they are.
func (e emitter) waits(name string, all []inspect.Wait) {
	type target struct{ object, kind, role string }
	count, oldest := map[target]int{}, map[target]float64{}
	for _, w := range all {
		t := target{w.Object, w.Kind, w.Role}
		count[t]++
		oldest[t] = max(oldest[t], age(w.Since))
	}
	for t, n := range count {
		e.emit(waiters, float64(n), name, t.object, t.kind, t.role)
		e.emit(waitLongest, oldest[t], name, t.object, t.kind, t.role)
	}
}
