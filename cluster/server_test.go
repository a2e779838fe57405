package cluster

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/proctest"
)

// serverArgs are what a server process is told.
type serverArgs struct {
	Listen, Dir, Name, PeerListen string
	Peers                         []string
}

var roleServer = proctest.Register("server", func(args []string) {
	var a serverArgs
	proctest.ExitOn(json.Unmarshal([]byte(args[0]), &a))
	_, err := NewServer(context.Background(), ServerOptions{Listen: a.Listen, Dir: a.Dir, Name: a.Name, PeerListen: a.PeerListen, Peers: a.Peers})
	proctest.ExitOn(err)
	proctest.Say("ready")
	proctest.Forever()
})

// startServerProcess starts a server in a process of its own.
func startServerProcess(t testing.TB, o ServerOptions) *proctest.Child {
	t.Helper()
	b, err := json.Marshal(serverArgs{o.Listen, o.Dir, o.Name, o.PeerListen, o.Peers})
	if err != nil {
		t.Fatal(err)
	}
	return proctest.Start(t, roleServer, string(b))
}

// freeAddr is an address that no program listens on, and no other process takes.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", proctest.Loopback()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestServerThatIsKilledGoesOnWithWhatItStores(t *testing.T) { testServerKilled(t, false) }

func TestServerThatHasLostItsStoreGetsAllTasksAgain(t *testing.T) { testServerKilled(t, true) }

func testServerKilled(t *testing.T, wiped bool) {
	o := ServerOptions{Listen: freeAddr(t), Dir: t.TempDir()}
	s := startServerProcess(t, o)
	s.Expect("ready")
	c := startCaller(t, o.Listen, Options{Lease: short})
	ids := c.submit(300, "echo")
	first := startHost(t, hostArgs{Server: o.Listen, Name: "host"})
	held := c.submit(1, "hold")
	c.holder(held[0])
	ids = append(ids, c.submit(300, "echo")...)
	s.Kill()
	if wiped {
		if err := os.RemoveAll(filepath.Join(o.Dir, "jetstream")); err != nil {
			t.Fatal(err)
		}
	}
	s = startServerProcess(t, o)
	s.Expect("ready")
	ids = append(ids, c.submit(100, "echo")...)
	first.Send("go")
	c.checks(held)
	c.checks(ids)
	c.isEmpty()
	if again := c.counts.resubmitted.Load(); wiped && again == 0 {
		t.Error("no task was submitted again, although the store was lost")
	}
	first.Kill()
	s.Kill()
}

// threeServers starts three servers that keep queues together.
func threeServers(t *testing.T) (options []ServerOptions, servers []*proctest.Child) {
	var peers []string
	for range 3 {
		peers = append(peers, freeAddr(t))
	}
	for i, p := range peers {
		o := ServerOptions{Listen: freeAddr(t), Dir: t.TempDir(), Name: string(rune('a' + i)), PeerListen: p, Peers: peers}
		options = append(options, o)
		servers = append(servers, startServerProcess(t, o))
	}
	for _, s := range servers {
		s.Expect("ready")
	}
	return options, servers
}

func TestThreeServersGoOnWithoutOneAndWaitWithoutTwo(t *testing.T) {
	if testing.Short() {
		t.Skip("elections take some seconds each")
	}
	options, servers := threeServers(t)
	addresses := options[0].Listen + "," + options[1].Listen + "," + options[2].Listen
	c := startCaller(t, addresses, Options{Lease: short, Replicas: 3})
	h := startHost(t, hostArgs{Server: addresses, Name: "host", Workers: 2})
	c.checks(c.submit(100, "echo"))
	for i := range servers {
		servers[i].Kill()
		c.checks(c.submit(100, "echo"))
		servers[i] = startServerProcess(t, options[i])
		servers[i].Expect("ready")
	}
	servers[0].Kill()
	servers[1].Kill()
	ids := c.submit(100, "echo") // they wait
	for i := range 2 {
		servers[i] = startServerProcess(t, options[i])
	}
	for i := range 2 {
		servers[i].Expect("ready")
	}
	c.checks(ids)
	h.Kill()
	for _, s := range servers {
		s.Kill()
	}
}

var roleCallerThatDies = proctest.Register("caller", func(args []string) {
	c, err := openCaller(args[0], Options{})
	proctest.ExitOn(err)
	c.submit(1, "hold")
	c.submit(50, "echo")
	proctest.ExitOn(c.nc.Flush())
	proctest.Say("submitted")
	proctest.Forever()
})

func TestTasksOfDeadCallerEnd(t *testing.T) {
	s := startServer(t, ServerOptions{})
	dead := proctest.Start(t, roleCallerThatDies, s.Addr())
	dead.Expect("submitted")
	c := startCaller(t, s.Addr(), Options{})
	proctest.Eventually(t, proctest.Hang, func() bool { return c.queued() == 51 }, "all tasks wait")
	h := startHost(t, hostArgs{Server: s.Addr(), Name: "host", Silence: short, Say: true, Doomed: true})
	said(h, "runs hold")
	dead.Kill()
	ended := map[string]bool{}
	for !ended["context ended"] || !ended["at client gone"] {
		ended[h.Line()] = true
	}
	c.isEmpty()
	c.checks(c.submit(3, "echo"))
	h.Kill()
}

func TestServerThatOthersCanReachNeedsSecretOrTLS(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0"} {
		_, err := NewServer(t.Context(), ServerOptions{Listen: address})
		if err == nil || !strings.Contains(err.Error(), "Secret") || !strings.Contains(err.Error(), address) {
			t.Errorf("Listen %q: %v", address, err)
		}
	}
	for _, peer := range []string{":0", "0.0.0.0:0"} {
		if _, err := NewServer(t.Context(), ServerOptions{Name: "a", PeerListen: peer, Peers: []string{peer}}); err == nil {
			t.Errorf("PeerListen %q is taken", peer)
		}
	}
	if _, err := NewServer(t.Context(), ServerOptions{Listen: ":0", TLS: &tls.Config{}}); err == nil {
		t.Error("TLS without a certificate is taken")
	}
	s := startServer(t, ServerOptions{Listen: ":0", Secret: "the secret"})
	s.Close()
}

func TestSecretKeepsOthersOutAndRolesApart(t *testing.T) {
	s := startServer(t, ServerOptions{Secret: "the secret"})
	for _, secret := range []string{"", "another"} {
		for _, r := range []role{roleCaller, roleHost} {
			a := access{servers: []string{s.Addr()}, role: r, secret: secret}
			if nc, err := a.connect(t.Context()); err == nil {
				nc.Close()
				t.Errorf("a %s with the secret %q comes in", r, secret)
			}
		}
	}
	c := startCaller(t, s.Addr(), Options{Secret: "the secret"})
	h := startHost(t, hostArgs{Server: s.Addr(), Secret: "the secret", Name: "host", Workers: 2})
	c.checks(c.submit(10, "echo"))
	c.isEmpty()
	a := access{servers: []string{s.Addr()}, role: roleHost, secret: "the secret"}
	nc, err := a.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(nc)
	// A host may not submit tasks, nor order what only callers order.
	for _, subject := range []string{subjectOf("main", classAny, "c"), wire.Prefix + "x.main.all", "$JS.API.STREAM.DELETE." + streamOf("main")} {
		if m, err := nc.Request(subject, nil, short); err == nil {
			t.Errorf("%s: a host gets the answer %q", subject, m.Data)
		}
	}
	h.Kill()
}

func TestBadOptionsAreNamed(t *testing.T) {
	for want, o := range map[string]Options{
		"Queue":    {Queue: "a.b"},
		"Replicas": {Replicas: 2, Servers: []string{"x"}},
		"Lease":    {Lease: 1},
		"Dir":      {Servers: []string{"x"}, Dir: "d"},
	} {
		if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, o := range map[string]ServeOptions{"Servers": {}, "Queue": {Servers: []string{"x"}, Queue: ">"}} {
		if err := Serve(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
