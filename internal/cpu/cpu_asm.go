//go:build amd64 || arm64

package cpu

// Pause runs n pause instructions (PAUSE on amd64, YIELD on arm64) and returns; 0 returns at once.
// It never enters the Go scheduler. How long one pause lasts is up to the processor: from 1 to some
// 40 nanoseconds.
//
//go:noescape
func Pause(n uint32)
