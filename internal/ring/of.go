package ring

// CountersOf returns the counters of a Queue of package queue, which sets it.
var CountersOf func(public any) *Counters
