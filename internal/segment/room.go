package segment

// Room is how many bytes the largest block can have while nothing else of the heap is in use than
// now. It is meant for the time before the first block: later, what is free may lie scattered.
//
// Errors: [ErrCorrupt], [lock.ErrClosed].
func (s *Segment) Room() (n int64, err error) {
	err = s.locked(func() error {
		n, err = s.dir.Room()
		return err
	})
	return n, err
}
