package event

import "github.com/shmkit/shmkit/internal/lock"

// Source is ready when the event is set, or has been set since a Wait of its Select began, unless
// that Wait has returned the source.
func (e *Flag) Source() lock.Source {
	var began uint32
	missed := false // the event was set during a Wait that has returned another source
	ready := func() bool {
		w := e.f.word.Load()
		if w == began && w&isSet == 0 {
			return false
		}
		e.shadow.Acquire()
		return true
	}
	return lock.Source{
		Event: e.count, Policy: e.policy, Ready: ready,
		Begin: func() {
			if !missed {
				began = e.f.word.Load()
			}
		},
		End: func(returned bool) { missed = !returned && e.f.word.Load() != began },
	}
}
