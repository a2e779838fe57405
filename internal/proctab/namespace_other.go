//go:build !linux

package proctab

// ownNamespace is 0: there are no namespaces.
func ownNamespace() uint64 { return 0 }
