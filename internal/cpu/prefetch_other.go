//go:build !amd64

package cpu

// PrefetchWrite does nothing here.
func PrefetchWrite([]byte) {}

// Prefetch does nothing here.
func Prefetch(*byte) {}
