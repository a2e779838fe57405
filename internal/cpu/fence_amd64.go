package cpu

// LoadFence orders every load before it before every load after it. A reader of a sequence lock
// needs it between copying the data and looking at the sequence again. Here the processor keeps
// loads in order by itself, and the call is empty. It is no barrier for the compiler: the loads
// that it separates must be ones that the compiler may not move, such as atomic loads, or copies in
// a function that is not inlined.
func LoadFence() {}

// StoreFence orders every store before it before every store after it. A writer of a sequence lock
// needs it between saying that the data is about to change and changing it. Here the processor
// keeps stores in order by itself, and the call is empty.
func StoreFence() {}
