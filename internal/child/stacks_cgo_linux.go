//go:build cgo

package child

// stackRoom is what the stacks of threads to come may take of a memory limit: with cgo they are
// private memory of 8 MiB each.
const stackRoom = 64 << 20
