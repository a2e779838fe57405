package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// access is how a program reaches servers.
type access struct {
	servers     []string
	local       *Server // in this process; nil: servers are elsewhere
	role        role
	name        string
	secret      string
	credentials string
	tls         *tls.Config
}

// connect connects to one of the servers, and tries until ctx ends.
func (a *access) connect(ctx context.Context) (*nats.Conn, error) {
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, s := range a.addresses() {
		if !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		urls = append(urls, s)
	}
	for {
		nc, err := nats.Connect(strings.Join(urls, ","), options...)
		if err == nil {
			return nc, nil
		}
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrInvalidConnection) {
			return nil, fmt.Errorf("cluster: the server refuses this program: compare Secret, Credentials and TLS with those of the server: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cluster: connect to %s: %w (%w)", strings.Join(a.servers, ", "), err, context.Cause(ctx))
		case <-time.After(retryPause):
		}
	}
}

// addresses are the servers one by one: an option may name several with commas between them.
func (a *access) addresses() []string { return strings.Split(strings.Join(a.servers, ","), ",") }

// retryPause is the time between two tries.
const retryPause = 100 * time.Millisecond

func (a *access) options() ([]nats.Option, error) {
	all := []nats.Option{
		nats.Name(a.name), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(20*time.Millisecond, 20*time.Millisecond),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(3), nats.IgnoreAuthErrorAbort(), nats.Timeout(5 * time.Second),
		// what is lost is sent again
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	if a.local != nil {
		all = append(all, nats.InProcessServer(a.local.s))
	} else if a.tls != nil {
		all = append(all, nats.Secure(a.tls.Clone()))
	}
	if a.credentials != "" {
		all = append(all, nats.UserCredentials(a.credentials))
	}
	if a.secret != "" && a.credentials == "" {
		key, err := keyOf(a.secret, a.role)
		if err != nil {
			return nil, err
		}
		public, err := key.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("cluster: derive a key: %w", err)
		}
		all = append(all, nats.Nkey(public, key.Sign))
	}
	return all, nil
}
