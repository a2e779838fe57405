// Package errno names the errors of sockets that programs look for with [errors.Is], for what
// stands in for a socket.
package errno

import "syscall"

// The errors, as a system call returns them.
const (
	BrokenPipe        = syscall.EPIPE
	AddressInUse      = syscall.EADDRINUSE
	ConnectionReset   = syscall.ECONNRESET
	ConnectionRefused = syscall.ECONNREFUSED
)
