package pool

import "time"

// Began says which worker has begun a task, and when.
type Began struct {
	Worker string // its name
	PID    int
	At     time.Time
}

// Began says which worker has begun the task, the last if there was more than one attempt, and
// when; ok is false when none has, or none has told before it died, and for [MapAsync], which has
// many tasks.
func (f *Future[R]) Began() (b Began, ok bool) {
	if f.Ready() {
		return f.began, !f.began.At.IsZero()
	}
	f.mu.Lock()
	running := f.running
	f.mu.Unlock()
	if running == nil {
		return b, false
	}
	if b, ok = running(); !ok && f.Ready() { // just now
		return f.Began()
	}
	return b, ok
}
