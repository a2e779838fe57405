package cluster

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/pool"
)

// SecretEnv is the environment variable that holds the secret when an option does not.
const SecretEnv = "SHMKIT_CLUSTER_SECRET"

// Options say how a Cluster works. The zero value has a server in this process, on loopback.
type Options struct {
	// Servers are the addresses of servers, as host:port or nats://host:port. None means a server
	// in this process, which ends with the Cluster.
	Servers []string

	// Listen is the address of the server in this process; "" means 127.0.0.1 and a free port. An
	// address that is not loopback needs Secret or TLS.
	Listen string

	// Queue is the name of the queue that hosts serve, of letters, digits, - and _; "" means main.
	Queue string

	// Secret is what all programs of the cluster know; "" means what the environment variable
	// SHMKIT_CLUSTER_SECRET holds.
	Secret string

	// Credentials is a file with a JWT and an NKey seed, for servers that are not this package's.
	Credentials string

	// TLS encrypts all that travels. The server in this process needs a certificate in it.
	TLS *tls.Config

	// Dir is where the server in this process stores the queue; "" means in its memory. What it
	// stores there is not encrypted.
	Dir string

	// Replicas is how many servers store the queue: 1, 3 or 5; 0 means 1.
	Replicas int

	// Lease is how long a host that is silent keeps its tasks at most, from 1 s; 0 means 5 s.
	Lease time.Duration

	// MinHosts is how many hosts New waits for; 0 means none.
	MinHosts int

	// Tags are what a host must have, all of them, to run a task of this Cluster.
	Tags []string

	// HostAttempts is how many hosts a task may lose; 0 means 8.
	HostAttempts int

	// Pool has the options of the pool that are about the caller: Attempts, Task, Label, Backlog,
	// Memory, Grace. Those about workers are each host's.
	Pool pool.Options

	hooks hooks
}

// ServeOptions say how a host works.
type ServeOptions struct {
	Servers     []string    // as Options.Servers; at least one
	Queue       string      // as Options.Queue
	Secret      string      // as Options.Secret
	Credentials string      // as Options.Credentials
	TLS         *tls.Config // as Options.TLS

	// Pool has the options of the pool that runs the tasks here.
	Pool pool.Options

	// Tags are what this host has, such as gpu. A caller may ask for them.
	Tags []string

	// Name is what errors and statistics call the host; "" means the host name of the machine.
	Name string

	// Grace is how long tasks may go on after the end of Serve was asked for; 0 means until they
	// have finished.
	Grace time.Duration

	// ReadAhead is how many tasks beyond those that run this host takes, for each worker. They wait
	// here even while other hosts have room. 0 means that it is measured, none when tasks are long,
	// and that tasks are given back which wait behind long ones.
	ReadAhead int

	hooks hooks
}

// ServerOptions say how a server works.
type ServerOptions struct {
	Listen string      // address for callers and hosts; "" means 127.0.0.1 and a free port
	Secret string      // as Options.Secret
	TLS    *tls.Config // as Options.TLS
	Dir    string      // where it stores queues; "" means a directory that is removed at the end

	// Name is the server's among its peers; it must stay the same when the server starts again.
	Name string

	// PeerListen is the address for the other servers, and Peers are the addresses of all of them,
	// this one's may be among them. Empty means that there is one server.
	PeerListen string
	Peers      []string
}

// hooks are what tests do at certain points of the protocol.
type hooks struct {
	at   func(point string, id uint64) // nil: nothing
	life time.Duration                 // between signs of life; 0: as in production
	// how long a caller may be away, or silent, before it is taken for dead; 0: as in production
	silence time.Duration
}

func (h *hooks) point(name string, id uint64) {
	if h.at != nil {
		h.at(name, id)
	}
}

func (h *hooks) beat() time.Duration {
	if h.life > 0 {
		return h.life
	}
	return lifeInterval
}

// away is how long a caller may be away from the server, and how long it may not answer.
func (h *hooks) away() (gone, silent time.Duration) {
	if h.silence > 0 {
		return h.silence, h.silence
	}
	return clientLease, clientSilence
}

// compare is the time after which a host tells each caller again what it has.
func (h *hooks) compare() time.Duration {
	if h.silence > 0 {
		return h.silence
	}
	return compareInterval
}

// lifeInterval is the time between two signs of life; a host is silent after three of them.
const lifeInterval = 500 * time.Millisecond

func (o Options) complete() (Options, error) {
	if o.Queue == "" {
		o.Queue = "main"
	}
	if o.Secret == "" {
		o.Secret = os.Getenv(SecretEnv)
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Lease == 0 {
		o.Lease = 5 * time.Second
	}
	if o.HostAttempts == 0 {
		o.HostAttempts = 8
	}
	switch {
	case !wire.Name(o.Queue):
		return o, fmt.Errorf("cluster: Options.Queue: %q: a name has 1 to 64 letters, digits, - and _", o.Queue)
	case o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5:
		return o, fmt.Errorf("cluster: Options.Replicas: %d: there can be 1, 3 or 5", o.Replicas)
	case len(o.Servers) == 0 && o.Replicas > 1:
		return o, errors.New("cluster: Options.Replicas: a server in this process is a single one: name the others in Options.Servers")
	case o.Lease < time.Second:
		return o, fmt.Errorf("cluster: Options.Lease: %v: it lasts at least 1 s", o.Lease)
	case o.HostAttempts < 0 || o.MinHosts < 0:
		return o, errors.New("cluster: Options.HostAttempts and MinHosts are at least 0")
	case len(o.Servers) > 0 && (o.Listen != "" || o.Dir != ""):
		return o, errors.New("cluster: Options.Listen and Dir are of a server in this process: leave them empty with Options.Servers")
	}
	return o, nil
}

func (o ServeOptions) complete() (ServeOptions, error) {
	if o.Queue == "" {
		o.Queue = "main"
	}
	if o.Secret == "" {
		o.Secret = os.Getenv(SecretEnv)
	}
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	switch {
	case len(o.Servers) == 0:
		return o, errors.New("cluster: ServeOptions.Servers: name the server that the caller listens on")
	case !wire.Name(o.Queue):
		return o, fmt.Errorf("cluster: ServeOptions.Queue: %q: a name has 1 to 64 letters, digits, - and _", o.Queue)
	case o.ReadAhead < 0 || o.Grace < 0:
		return o, errors.New("cluster: ServeOptions.ReadAhead and Grace are at least 0")
	}
	return o, nil
}

// checkListen refuses an address that others can reach when nothing keeps them out.
func checkListen(address, secret string, t *tls.Config) (host string, port string, err error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf("cluster: Listen: %w", err)
	}
	if t != nil && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		return "", "", errors.New("cluster: TLS: a server needs a certificate in it")
	}
	if secret != "" || t != nil && t.ClientAuth == tls.RequireAndVerifyClientCert {
		return host, port, nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost") {
		return host, port, nil
	}
	return "", "", fmt.Errorf("cluster: Listen: %q can be reached from other machines, and any of them could run code here: set Secret, or TLS that verifies the certificates of clients", address)
}
