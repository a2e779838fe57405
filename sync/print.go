package shmsync

// String names the object, its kind and its segment: for people, and for logs. It takes no lock.
func (h *handle) String() string { return h.o.String() }
