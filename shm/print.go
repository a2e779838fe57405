package shm

// String names the object, its kind and its segment: for people, and for logs.
func (h *object) String() string { return h.o.String() }

// String names the segment: for people, and for logs.
func (s *Segment) String() string {
	if s == nil {
		return "no segment"
	}
	return s.s.String()
}
