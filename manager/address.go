package manager

import (
	"context"
	"net"
	"path/filepath"
	"strings"

	"github.com/shmkit/shmkit/internal/socket"
	"github.com/shmkit/shmkit/queue/pipe"
)

// Listen listens at an address for [Serve]: the name of a segment, as for [pipe.Listen], or
// "unix://PATH", or "tcp://HOST:PORT". A listener that is dead is replaced.
//
// Errors: [syscall.EADDRINUSE], [ErrInsecure], those of [pipe.Listen] and [net.Listen].
func Listen(address string, o Options) (net.Listener, error) {
	if network, at, ok := socket.Parse(address); ok {
		return socket.Listen(network, at, o.socket())
	}
	return pipe.Listen(address, pipe.ListenOptions{})
}

// dial connects to an address.
func dial(ctx context.Context, address string, o *Options) (net.Conn, error) {
	if network, at, ok := socket.Parse(address); ok {
		return socket.Dial(ctx, network, at, o.socket())
	}
	return pipe.Dial(ctx, address, pipe.DialOptions{})
}

// absolute is an address that means the same in other directories.
func absolute(address string) string {
	network, path, ok := socket.Parse(address)
	switch {
	case ok && network == "unix":
		if path, err := filepath.Abs(path); err == nil {
			return "unix://" + path
		}
	case !ok && strings.ContainsRune(address, '/'):
		if path, err := filepath.Abs(address); err == nil {
			return path
		}
	}
	return address
}
