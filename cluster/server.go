package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nuid"
)

// A Server keeps queues. [New] starts one in its process by itself; NewServer starts one for
// callers and hosts elsewhere.
type Server struct {
	s      *server.Server
	dir    string // to be removed; empty: it is the user's
	stop   func() bool
	closed sync.Once
	done   chan struct{}
	err    error
}

// NewServer starts a server. It ends with ctx, or by [Server.Close]. With Peers it is one of
// several that keep queues together, and NewServer waits until ctx ends for enough of them.
//
// Errors: a bad option; an address that other machines can reach, without a Secret or TLS; an
// address that is taken; a directory that cannot be written; the cause of the end of ctx.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	if o.Secret == "" {
		o.Secret = os.Getenv(SecretEnv)
	}
	so, err := o.server()
	if err != nil {
		return nil, err
	}
	n := &Server{done: make(chan struct{})}
	if so.StoreDir = o.Dir; o.Dir == "" {
		if n.dir, err = os.MkdirTemp("", "shmkit-cluster-"); err != nil {
			return nil, fmt.Errorf("cluster: make a directory for the server: %w", err)
		}
		so.StoreDir = n.dir
	} else if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cluster: make the directory of the server: %w", err)
	}
	if n.s, err = server.NewServer(so); err != nil {
		os.RemoveAll(n.dir)
		return nil, fmt.Errorf("cluster: start the server: %w", err)
	}
	fault := &firstFault{}
	n.s.SetLoggerV2(fault, false, false, false)
	n.s.Start()
	if err := n.ready(ctx, len(o.Peers) > 0, fault); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.stop = context.AfterFunc(ctx, func() { n.Close() })
	return n, nil
}

// server are the options as the library has them.
func (o *ServerOptions) server() (*server.Options, error) {
	host, port, err := checkListen(o.Listen, o.Secret, o.TLS)
	if err != nil {
		return nil, err
	}
	so := &server.Options{
		ServerName: o.Name, Host: host, JetStream: true, NoSigs: true, MaxPayload: maxPayload,
		DisableJetStreamBanner: true, TLSConfig: o.TLS, TLS: o.TLS != nil, TLSTimeout: 10, AuthTimeout: 12,
	}
	if so.ServerName == "" {
		so.ServerName = "shmkit-" + nuid.Next()
	}
	if so.Port, err = portOf(port); err != nil {
		return nil, err
	}
	if o.Secret != "" {
		if so.Nkeys, err = users(o.Secret); err != nil {
			return nil, err
		}
	}
	if o.PeerListen == "" && len(o.Peers) == 0 {
		return so, nil
	}
	return so, o.peers(so)
}

// peers has the server find the others.
func (o *ServerOptions) peers(so *server.Options) error {
	if o.Name == "" {
		return errors.New("cluster: ServerOptions.Name: a server with peers needs a name that stays the same")
	}
	host, port, err := checkListen(o.PeerListen, o.Secret, o.TLS)
	if err != nil {
		return err
	}
	so.Cluster.Name, so.Cluster.Host = "shmkit", host
	if so.Cluster.Port, err = portOf(port); err != nil {
		return err
	}
	var user *url.Userinfo
	if o.Secret != "" {
		password, err := peerPassword(o.Secret)
		if err != nil {
			return err
		}
		so.Cluster.Username, so.Cluster.Password = "peer", password
		user = url.UserPassword("peer", password)
	}
	if o.TLS != nil {
		so.Cluster.TLSConfig, so.Cluster.TLSTimeout = o.TLS, 10
	}
	for _, p := range o.Peers {
		so.Routes = append(so.Routes, &url.URL{Scheme: "nats", Host: p, User: user})
	}
	return nil
}

// maxPayload is the size of the largest message in bytes.
const maxPayload = 1 << 20

// portOf is the port as the library has it, which takes 0 for its own default.
func portOf(s string) (int, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("cluster: Listen: port %q: %w", s, err)
	}
	if port == 0 {
		return server.RANDOM_PORT, nil
	}
	return int(port), nil
}

// ready waits until the server takes connections, and, with peers, until they have a leader.
func (n *Server) ready(ctx context.Context, peers bool, fault *firstFault) error {
	for !n.s.ReadyForConnections(10*time.Millisecond) || peers && !n.s.JetStreamIsCurrent() {
		switch {
		case fault.text() != "":
			return fmt.Errorf("cluster: start the server: %s", fault.text())
		case ctx.Err() != nil:
			return fmt.Errorf("cluster: wait for the server to be ready: %w", context.Cause(ctx))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// Addr is the address, host:port, that callers and hosts connect to. An address of all interfaces
// is told with the port alone behind it.
func (n *Server) Addr() string {
	a, ok := n.s.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	return a.String()
}

// Close ends the server. What it stores in a directory of the user's stays there.
//
// Errors: of removing its own directory.
func (n *Server) Close() error {
	n.closed.Do(func() {
		defer close(n.done)
		if n.stop != nil {
			n.stop()
		}
		n.s.Shutdown()
		n.s.WaitForShutdown()
		if n.dir != "" {
			n.err = os.RemoveAll(n.dir)
		}
	})
	<-n.done
	return n.err
}

// A firstFault is a logger of the server that keeps the first fatal error.
type firstFault struct {
	mu   sync.Mutex
	said string
}

func (f *firstFault) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said
}

func (f *firstFault) Fatalf(format string, v ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == "" {
		f.said = fmt.Sprintf(format, v...)
	}
}

func (f *firstFault) Noticef(string, ...any) {}
func (f *firstFault) Warnf(string, ...any)   {}
func (f *firstFault) Errorf(string, ...any)  {}
func (f *firstFault) Debugf(string, ...any)  {}
func (f *firstFault) Tracef(string, ...any)  {}
