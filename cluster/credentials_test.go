package cluster_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
)

// newKey makes a key pair, and tells its public key.
func newKey(t *testing.T, make func() (nkeys.KeyPair, error)) (key nkeys.KeyPair, public string) {
	t.Helper()
	key, err := make()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = key.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return key, public
}

// operatedServer starts a server of the library that is run by an operator, with one account for
// the tests. It returns its address and the account's key.
func operatedServer(t *testing.T) (address string, account nkeys.KeyPair) {
	t.Helper()
	operator, operatorName := newKey(t, nkeys.CreateOperator)
	_, systemName := newKey(t, nkeys.CreateAccount)
	account, accountName := newKey(t, nkeys.CreateAccount)
	claims := jwt.NewOperatorClaims(operatorName)
	claims.SystemAccount = systemName
	resolver := &server.MemAccResolver{}
	for _, name := range []string{systemName, accountName} {
		a := jwt.NewAccountClaims(name)
		if name == accountName {
			a.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, MemoryStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
		}
		signed, err := a.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := resolver.Store(name, signed); err != nil {
			t.Fatal(err)
		}
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		TrustedOperators: []*jwt.OperatorClaims{claims}, SystemAccount: systemName, AccountResolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(proctest.Hang) {
		t.Fatal("the server does not start")
	}
	return s.Addr().String(), account
}

// credentialsOf writes the credentials of a new user of an account.
func credentialsOf(t *testing.T, account nkeys.KeyPair) (file string) {
	t.Helper()
	user, name := newKey(t, nkeys.CreateUser)
	signed, err := jwt.NewUserClaims(name).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(signed, seed)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A server that others run, with accounts, lets in those alone that have credentials of one.
func TestCredentialsLetCallersAndHostsIn(t *testing.T) {
	address, account := operatedServer(t)
	stranger, _ := newKey(t, nkeys.CreateAccount)
	servers := []string{address}
	isRefused(t, "a caller without credentials", cluster.Options{Servers: servers})
	isRefused(t, "a caller with a secret", cluster.Options{Servers: servers, Secret: "the secret"})
	isRefused(t, "a caller of another account", cluster.Options{Servers: servers, Credentials: credentialsOf(t, stranger)})
	c, err := cluster.New(t.Context(), cluster.Options{Servers: servers, Credentials: credentialsOf(t, account)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := startGuarded(t, guarded{Server: address, Credentials: credentialsOf(t, account)})
	worksOn(t, c)
	h.Kill()
}
