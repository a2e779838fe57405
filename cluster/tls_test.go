package cluster_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// An authority signs certificates, which it keeps as files in a directory.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("authority", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign makes a certificate, with its key, in files of that name.
func (a *authority) sign(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = c, key
	}
	signed, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	b, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: signed}, ".key": {Type: "EC PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(signed)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

// server is the TLS of a server on loopback that lets those in which have a certificate, or all.
func (a *authority) server(verify bool) *tls.Config {
	a.t.Helper()
	a.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	c, err := tlsOf(a.dir, "server")
	if err != nil {
		a.t.Fatal(err)
	}
	c.ClientCAs = c.RootCAs
	if verify {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c
}

// client is the TLS of a caller or a host with a certificate of that name.
func (a *authority) client(name string) *tls.Config {
	a.t.Helper()
	a.sign(name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	c, err := tlsOf(a.dir, name)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// trusting is the TLS of a client without a certificate.
func (a *authority) trusting() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

// tlsOf is the TLS of the certificate of that name in a directory of an authority.
func tlsOf(dir, name string) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		return nil, err
	}
	root, err := os.ReadFile(filepath.Join(dir, "authority.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	return &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: pool}, nil
}

// A guarded is a host that shows a certificate, or credentials.
type guarded struct{ Server, Dir, Cert, Secret, Credentials string }

var roleGuarded = proctest.Register("guarded host", func(args []string) {
	var g guarded
	proctest.ExitOn(json.Unmarshal([]byte(args[0]), &g))
	o := cluster.ServeOptions{Servers: []string{g.Server}, Name: "guarded", Secret: g.Secret, Credentials: g.Credentials, Pool: pool.Options{Workers: 1}}
	if g.Dir != "" {
		var err error
		o.TLS, err = tlsOf(g.Dir, g.Cert)
		proctest.ExitOn(err)
	}
	proctest.ExitOn(cluster.Serve(context.Background(), o))
})

func startGuarded(t *testing.T, g guarded) *proctest.Child {
	t.Helper()
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return proctest.Start(t, roleGuarded, string(b))
}

// worksOn checks that a task runs on a host.
func worksOn(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	awaitHosts(t, c, 1)
	if n, err := pool.Apply(t.Context(), c.Pool, square, 12); n != 144 || err != nil {
		t.Errorf("a task: %d, %v", n, err)
	}
}

// isRefused checks that New fails, while the server would let others in.
func isRefused(t *testing.T, what string, o cluster.Options) {
	t.Helper()
	//clock: what is not refused at once is tried until its time-out
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if c, err := cluster.New(ctx, o); err == nil {
		c.Close()
		t.Errorf("%s comes in", what)
	}
}

// A server on all addresses that asks for certificates lets in those alone that have one of its
// authority, and nothing in clear.
func TestCertificatesLetCallersAndHostsIn(t *testing.T) {
	a := newAuthority(t)
	s, err := cluster.NewServer(t.Context(), cluster.ServerOptions{Listen: ":0", TLS: a.server(true)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	servers := []string{"127.0.0.1:" + port}
	isRefused(t, "a caller without TLS", cluster.Options{Servers: servers})
	isRefused(t, "a caller without a certificate", cluster.Options{Servers: servers, TLS: a.trusting()})
	isRefused(t, "a caller of another authority", cluster.Options{Servers: servers, TLS: newAuthority(t).client("caller")})
	c, err := cluster.New(t.Context(), cluster.Options{Servers: servers, TLS: a.client("caller")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a.client("host")
	h := startGuarded(t, guarded{Server: servers[0], Dir: a.dir, Cert: "host"})
	worksOn(t, c)
	h.Kill()
}

// The server in the caller's process has TLS for the hosts, and the secret beside it.
func TestSecretTravelsOverTLS(t *testing.T) {
	a := newAuthority(t)
	c, err := cluster.New(t.Context(), cluster.Options{Listen: "127.0.0.1:0", Secret: "the secret", TLS: a.server(false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	servers := []string{c.Addr()}
	isRefused(t, "a caller with another secret", cluster.Options{Servers: servers, Secret: "another", TLS: a.trusting()})
	isRefused(t, "a caller without TLS", cluster.Options{Servers: servers, Secret: "the secret"})
	a.client("host")
	h := startGuarded(t, guarded{Server: c.Addr(), Dir: a.dir, Cert: "host", Secret: "the secret"})
	worksOn(t, c)
	h.Kill()
}

// TLS alone says who a server is, not who its clients are: it does not open an address to others.
func TestTLSWithoutVerifiedClientsNeedsSecret(t *testing.T) {
	a := newAuthority(t)
	_, err := cluster.NewServer(t.Context(), cluster.ServerOptions{Listen: ":0", TLS: a.server(false)})
	if err == nil || !strings.Contains(err.Error(), "Secret") {
		t.Errorf("the error is %v", err)
	}
}
