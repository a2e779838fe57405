//go:build !amd64 || race

package cpu

// CopyOut is copy, to memory that another processor has read or written last. The two must not
// overlap.
func CopyOut(dst, src []byte) int { return copy(dst, src) }
