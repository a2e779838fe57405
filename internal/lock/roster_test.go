//go:build linux

package lock

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// rosterCell is where the tests have a roster of so many seats; the cell before it has how many were handed out.
const (
	rosterCell  = 8
	rosterSeats = 32
)

func (r *room) roster() *roster {
	high := &regionIn(r.cell(rosterCell - 1)).word
	off := tableBytes + rosterCell*cellBytes
	return newRoster(r.party, high, r.mem[off:off+rosterBytes(rosterSeats)])
}

// seated: ROOM. It claims a seat that counts 7, says which, and waits for its end.
var seated = proctest.Register("roster-seated", func(args []string) {
	r := enterRoom(args[0]).roster()
	s := r.claim(7, nil)
	for n := range r.seats {
		if r.seat(n) == s {
			proctest.Say("%d", n)
		}
	}
	proctest.Hear()
})

// Every seat is one word, and the first ones lie on lines of their own.
func TestRosterSeats(t *testing.T) {
	r := visit(t, newRoom(t)).roster()
	if rosterBytes(rosterSeats) != rosterSeats*seatBytes || rosterBytes(1) != lineBytes || rosterBytes(9) != 2*lineBytes {
		t.Errorf("%d, %d, %d bytes", rosterBytes(rosterSeats), rosterBytes(1), rosterBytes(9))
	}
	used, lines := map[*atomic.Uint64]bool{}, map[int]bool{}
	for n := range r.seats {
		s := r.seat(n)
		if used[s] {
			t.Errorf("seat %d is another one, too", n)
		}
		used[s] = true
		if n < rosterSeats/seatsPerLine {
			lines[indexOf(r, s)/seatsPerLine] = true
		}
	}
	if len(lines) != rosterSeats/seatsPerLine {
		t.Errorf("the first seats lie on %d lines", len(lines))
	}
}

func indexOf(r *roster, s *atomic.Uint64) int {
	for i := range r.seats {
		if &r.seats[i] == s {
			return i
		}
	}
	return -1
}

// Seats are handed out from the first on. A process keeps its seat, and a dead one's goes to the next, who is told what was
// lost with it.
func TestRosterClaims(t *testing.T) {
	path := newRoom(t)
	room := visit(t, path)
	r := room.roster()
	var children []*proctest.Child
	for _, want := range []string{"0", "1", "2"} {
		c := proctest.Start(t, seated, path)
		c.Expect(want)
		children = append(children, c)
	}
	children[1].Kill()
	var lost []uint64
	s := r.claim(3, func(n uint64) { lost = append(lost, n) })
	if s != r.seat(1) || s.Load() != uint64(room.party.Member.ID())<<seatOwnerShift|3 || !slices.Equal(lost, []uint64{7}) {
		t.Errorf("seat %d holds %#x, lost %v", indexOf(r, s), s.Load(), lost)
	}
	if again := r.claim(9, nil); again != s || s.Load()&seatMask != 3 {
		t.Errorf("claimed again: %#x", again.Load())
	}
	if same := room.roster().claim(9, nil); same != s || s.Load()&seatMask != 3 {
		t.Errorf("claimed by another view of the same process: %#x", same.Load())
	}
	sum, n := uint64(0), 0
	for _, w := range r.all {
		sum, n = sum+w&seatMask, n+1
	}
	if r.len() != 3 || n != 3 || sum != 7+3+7 {
		t.Errorf("%d seats, %d counted, sum %d", r.len(), n, sum)
	}
	for s := range r.all {
		if s == r.seat(1) {
			break // the loop can be left
		}
	}
	children[0].Kill()
	children[2].Kill()
}

// Many attachments that claim at once without a lock get seats of their own.
func TestRosterClaimsAtOnce(t *testing.T) {
	for range 20 {
		path := newRoom(t)
		var rooms []*room
		for range 12 {
			rooms = append(rooms, visit(t, path))
		}
		seats := make([]*atomic.Uint64, len(rooms))
		var wg sync.WaitGroup
		for i, r := range rooms {
			wg.Go(func() { seats[i] = r.roster().claim(1, nil) })
		}
		wg.Wait()
		for i, s := range seats {
			if s == nil || ownerOfSeat(s.Load()) != rooms[i].party.Member.ID() {
				t.Fatalf("party %d has no seat of its own", i)
			}
		}
		n := 0
		for range rooms[0].roster().all {
			n++
		}
		if n != len(rooms) {
			t.Errorf("%d seats are in use by %d parties", n, len(rooms))
		}
	}
}

// Whatever the bytes are, a claim ends: with a seat, or without when living processes seem to have them all.
func TestRosterGarbage(t *testing.T) {
	path := newRoom(t)
	room := visit(t, path)
	other := visit(t, path)
	r := room.roster()
	r.high.Store(1 << 31)
	if r.len() != rosterSeats {
		t.Errorf("%d seats of %d", r.len(), rosterSeats)
	}
	for n := range r.seats {
		r.seat(n).Store(uint64(other.party.Member.ID())<<seatOwnerShift | 5)
	}
	if s := r.claim(1, nil); s != nil {
		t.Error("took a living process's seat")
	}
	r.seat(17).Store(^uint64(0))
	if s := r.claim(1, nil); s != r.seat(17) {
		t.Error("nobody's seat was not taken")
	}
}
