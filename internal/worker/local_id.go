package worker

import (
	"sync"

	"github.com/shmkit/shmkit/internal/proctab"
)

// LocalIDs are the owner ids of the goroutines that work in local pools. The states of slots tell
// goroutines apart by them, as they do processes. A goroutine has its id until it returns; so two
// of them never have the same one, however many there have been.
var LocalIDs idSet

type idSet struct {
	mu   sync.Mutex
	last proctab.Owner
	used map[proctab.Owner]bool
}

// Take returns an id that no goroutine has, and is not 0.
func (s *idSet) Take() proctab.Owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil {
		s.used = map[proctab.Owner]bool{}
	}
	for s.last == 0 || s.used[s.last] {
		s.last = (s.last + 1) & proctab.OwnerMask
	}
	id := s.last
	s.used[id] = true
	s.last = (id + 1) & proctab.OwnerMask
	return id
}

// Release gives an id back.
func (s *idSet) Release(id proctab.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, id)
}
