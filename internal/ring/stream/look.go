package stream

// Written is how many bytes a copy of the words counts as published, modulo 2^64.
func (w *Words) Written() uint64 { return w.tail.Load() }

// Unread is how many of them have not been read.
func (w *Words) Unread() uint64 { return w.tail.Load() - w.read.Load() }
