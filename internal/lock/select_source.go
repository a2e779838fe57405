package lock

import "github.com/shmkit/shmkit/internal/wait"

// A Source is an operation that a [Select] waits for. It is ready when the operation would return
// at once, also with an error other than that there is nothing, or no room. The zero Source is
// never ready.
//
// The functions are called by the goroutine that uses the Select. All but Ready may be nil. Ready,
// More and Watch look at shared memory with atomic loads.
type Source struct {
	Ready func() bool // reports whether the operation would return at once
	More  func() bool // reports whether a second operation would, too
	// adds what else ends a sleep, see [EventCount.Await]; asked after a Ready that reported false
	Watch func(*Watch)
	Event *EventCount // that a change which makes the source ready notifies; nil for a channel
	Begin func()      // begins a Wait
	End   func(bool)  // ends a Wait, and says whether it returns this source
	// keeps the memory in use until Unpin; false: it is gone, and Ready reports true
	Pin    func() bool
	Unpin  func()      // ends what a Pin that reported true has begun
	Policy wait.Policy // of the handle

	// that makes the source ready when it is closed; a value says that it may be ready; nil: none
	Done <-chan struct{}
}

// DoneSource is ready when the channel is closed.
func DoneSource(done <-chan struct{}) Source {
	if done == nil {
		return Source{}
	}
	return Source{Done: done, Ready: func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}}
}

// notify wakes a sleeper of the source, if there is any.
func (s *Source) notify() {
	if s.Event == nil || s.Pin != nil && !s.Pin() {
		return
	}
	s.Event.Notify()
	if s.Unpin != nil {
		s.Unpin()
	}
}

// The conversions between a function that makes a Source and the type by which users know it.
// Package shmsync sets them when it is initialised: so the packages above it make Sources, and no
// exported function has to name an internal type.
var (
	PublicSource func(open func() Source) any
	OpenSource   func(public any) Source
)
