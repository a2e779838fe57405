//go:build !race

package cpu

import "golang.org/x/sys/cpu"

// CopyOut is copy, to memory that another processor has read or written last. The two must not
// overlap.
//
// A plain store waits until the cache line that it changes a part of has come from there. A long
// string instruction overwrites whole lines, which only have to be given up there: that takes half
// the time. A store that follows becomes visible after all of the copy, as after any.
func CopyOut(dst, src []byte) int {
	n := min(len(dst), len(src))
	if n < LongCopy || !cpu.X86.HasERMS {
		return copy(dst, src)
	}
	copyString(dst[:n], src[:n])
	return n
}

// copyString copies with one REP MOVSB. The two have the same length.
//
//go:noescape
func copyString(dst, src []byte)
