package cpu

// LoadFence orders every load before it before every load after it. A reader of a sequence lock
// needs it between copying the data and looking at the sequence again. The loads that it separates
// must be ones that the compiler may not move, such as atomic loads, or copies in a function that
// is not inlined.
func LoadFence()

// StoreFence orders every store before it before every store after it. A writer of a sequence lock
// needs it between saying that the data is about to change and changing it.
func StoreFence()
