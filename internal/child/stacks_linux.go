//go:build !cgo

package child

// stackRoom is what the stacks of threads to come may take of a memory limit: without cgo they are
// small, and on the heap.
const stackRoom = 0
