package pool

import "time"

// sizing decides how many arguments go into one slot: so many that sending them costs little beside
// running them, and so few that no worker is left with much when the others have nothing any more.
// This is guided self-scheduling (Polychronopoulos and Kuck, 1987) with a lower bound that is
// measured.
type sizing struct {
	fixed   int           // if not 0, what the user wants
	workers int           //
	left    int           // arguments that are not sent yet; negative: unknown
	each    time.Duration // how long one takes, as seen so far; 0: not known
	aim     time.Duration // how long the arguments of a slot should take
}

const (
	chunkCosts = 200 // times what sending costs should the arguments take that are sent
	chunkItems = 1024
	chunkBytes = 64 << 10
)

// next is how many arguments the next slot should have.
func (s *sizing) next() int {
	switch {
	case s.fixed > 0:
		return s.fixed
	case s.left < 0 || s.each == 0:
		return 1
	}
	return max(1, min(int(s.aim/s.each), s.left/(4*s.workers), chunkItems))
}

// unknown says that the next size is a guess until a result has been seen.
func (s *sizing) unknown() bool { return s.fixed == 0 && s.left >= 0 && s.each == 0 }

// saw takes in that n of them took so long.
func (s *sizing) saw(n int, took time.Duration) {
	each := max(took/time.Duration(n), 1)
	if s.each == 0 {
		s.each = each
	}
	s.each = max((3*s.each+each)/4, 1)
}
