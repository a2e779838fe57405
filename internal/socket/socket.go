// Package socket opens unix and TCP sockets for typed connections and managers, and sees to it that
// only the processes that shall use them can.
//
//	unix://PATH      a socket file of mode 0600; both sides check that the other is of the same user, or root
//	tcp://HOST:PORT  a key and TLS are needed, but for loopback addresses with Insecure
package socket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

// ErrInsecure says that an address can be reached from other machines, and that what would protect
// it is missing.
var ErrInsecure = errors.New("tcp needs a key and TLS; without them only a loopback address is possible, with the option Insecure")

// Options say how a socket is protected.
type Options struct {
	Key      []byte
	TLS      *tls.Config
	Insecure bool
}

// Parse splits an address into a network and an address within it. ok is false for an address that
// is none of a socket.
func Parse(address string) (network, at string, ok bool) {
	for _, network := range []string{"unix", "tcp"} {
		if at, ok := strings.CutPrefix(address, network+"://"); ok {
			return network, at, true
		}
	}
	return "", "", false
}

// Listen listens at an address of [Parse]. A unix socket without a listener is replaced.
//
// Errors: [ErrInsecure], those of net.Listen.
func Listen(network, at string, o Options) (net.Listener, error) {
	if network == "unix" {
		return listenUnix(at)
	}
	if err := o.check(at); err != nil {
		return nil, fmt.Errorf("listen at %s: %w", at, err)
	}
	l, err := net.Listen(network, at)
	if err == nil && o.TLS != nil {
		l = tls.NewListener(l, o.TLS)
	}
	return l, err
}

func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil && isDead(path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return sameUser{l}, nil
}

// isDead reports whether a socket file has no listener.
func isDead(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return false
	}
	return isRefused(err)
}

// sameUser is a listener that takes no connections of other users.
type sameUser struct{ net.Listener }

func (l sameUser) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if checkUser(c) == nil {
			return c, nil
		}
		c.Close()
	}
}

// Dial connects to an address of [Parse].
//
// Errors: [ErrInsecure], those of net.Dial.
func Dial(ctx context.Context, network, at string, o Options) (net.Conn, error) {
	var d net.Dialer
	if network == "unix" {
		c, err := d.DialContext(ctx, network, at)
		if err != nil {
			return nil, err
		}
		if err := checkUser(c); err != nil {
			c.Close()
			return nil, fmt.Errorf("dial %s: %w", at, err)
		}
		return c, nil
	}
	if err := o.check(at); err != nil {
		return nil, fmt.Errorf("dial %s: %w", at, err)
	}
	if o.TLS != nil {
		t := tls.Dialer{Config: o.TLS}
		return t.DialContext(ctx, network, at)
	}
	return d.DialContext(ctx, network, at)
}

// check refuses an address that others could reach without a key and TLS.
func (o Options) check(at string) error {
	if len(o.Key) > 0 && o.TLS != nil || o.Insecure && isLoopback(at) {
		return nil
	}
	return ErrInsecure
}

// isLoopback reports whether only this machine reaches an address. A name may be resolved to
// another address each time, so only localhost counts.
func isLoopback(at string) bool {
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
