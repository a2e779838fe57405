//go:build !linux

package socket

import (
	"errors"
	"net"
	"syscall"
)

// checkUser leaves it to the mode of the socket file.
func checkUser(net.Conn) error { return nil }

// isRefused reports whether no process listens.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
