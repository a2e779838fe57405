// Package parent is the parent's side of a pool, without the types of its tasks: the slots and what
// is known of the task in each, the waiters that collect results, shared memory and those that wait
// for it, the workers and their ends.
//
// Package pool puts arguments into slots and takes results from them by what is exported here: a
// [Waiter] gets slots from [Pool.AcquireSlots], puts an argument into each with [Pool.Place], says
// with [Pool.Fill] what it is, and hands it over with [Pool.Submit]; it waits with [Pool.Await],
// takes the slots that have results with [Pool.Collected], reads [Pool.Result], and gives the slots
// back with [Pool.Release].
package parent
