//go:build linux

package bench

import (
	"math"
	"time"
	"unsafe"
)

// trips are the nanoseconds of each operation of a measurement in which all processes do each
// operation together. Process 0 measures them and writes them to shared memory. A nil trips records
// nothing.
type trips struct {
	ns   []uint32
	made int
	then time.Duration // since began
}

// began is a moment in the past. To read the time since began takes one look at a clock, as in a
// peer; time.Now takes two, and with 50 nanoseconds for each that would show in a trip.
var began = time.Now()

// mapTrips maps memory for the operations of p in the file at path. The result is nil where p has
// no timed operations. unmap ends the mapping.
func mapTrips(path string, p plan) (t *trips, unmap func(), err error) {
	if !p.together || p.untimed {
		return nil, func() {}, nil
	}
	n := int(p.total())
	b, unmap, err := mapFile(path, n*int(unsafe.Sizeof(uint32(0))))
	if err != nil {
		return nil, nil, err
	}
	return &trips{ns: unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), n)}, unmap, nil
}

// start begins the first trip of a round.
func (t *trips) start() { t.then = time.Since(began) }

// add ends a trip and begins the next one.
func (t *trips) add() {
	end := time.Since(began)
	t.ns[t.made] = clampTrip(int64(end - t.then))
	t.made++
	t.then = end
}

// clampTrip returns ns, or the nearest that a trip can be.
func clampTrip(ns int64) uint32 { return uint32(max(0, min(ns, math.MaxUint32))) }

// rounds returns a copy of the recorded times, by the rounds of p.
func (t *trips) rounds(p plan) (rs [][]uint32) {
	if t == nil {
		return nil
	}
	for round := range int64(p.rounds) {
		rs = append(rs, append([]uint32(nil), t.ns[round*p.ops:][:p.ops]...))
	}
	return rs
}
