//go:build !race

package cpu

import "golang.org/x/sys/cpu"

// CopyOut is copy, to memory that another processor has read or written last. The two must not
// overlap.
//
// A plain store changes a part of a cache line, and waits until that line has come from the other
// processor. A long string instruction overwrites whole lines, which the other processor only has
// to give up: that takes half the time. A later store becomes visible after all of the copy.
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
