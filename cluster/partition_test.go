package cluster

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A proxy passes bytes between programs and a server, until it is cut: then bytes go nowhere, and
// both sides take the connection for a living one.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu      sync.Mutex
	cut     bool
	healed  sync.Cond // of mu
	conns   map[net.Conn]bool
	closing bool
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.healed.L = &p.mu
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		if p.closing {
			in.Close()
			out.Close()
		}
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(in, out) })
		p.wg.Go(func() { p.pass(out, in) })
	}
}

func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		for p.cut && !p.closing {
			p.healed.Wait()
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil && err != io.EOF {
			return
		}
	}
}

// set cuts the network, or heals it.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	p.healed.Broadcast()
}

// drop ends all connections, as a network does that forgets them.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closing = true
	p.healed.Broadcast()
	p.mu.Unlock()
	p.drop()
	p.wg.Wait()
}

func TestHostThatIsCutOffLosesItsTasksToAnother(t *testing.T) {
	s := startServer(t, ServerOptions{})
	net := startProxy(t, s.Addr())
	c := startCaller(t, s.Addr(), Options{Lease: short})
	victim := startHost(t, hostArgs{Server: net.listener.Addr().String(), Name: "victim"})
	held := c.submit(1, "hold")
	c.holder(held[0])
	net.set(true)
	ids := c.submit(20, "echo")
	heir := startHost(t, hostArgs{Server: s.Addr(), Name: "heir", Workers: 2})
	c.holderNot(held[0], "victim")
	heir.Send("go")
	c.checks(held)
	c.checks(ids)
	victim.Send("go")
	net.set(false)
	c.hears("victim")
	c.isEmpty()
	c.checks(held) // still once
	c.checks(c.submit(20, "echo"))
	victim.Kill()
	heir.Kill()
}

func TestTasksOfCallerThatIsCutOffEndAndAreSubmittedAgain(t *testing.T) {
	s := startServer(t, ServerOptions{})
	net := startProxy(t, s.Addr())
	c := startCaller(t, net.listener.Addr().String(), Options{Lease: short, hooks: hooks{silence: short}})
	h := startHost(t, hostArgs{Server: s.Addr(), Name: "host", Silence: short})
	held := c.submit(1, "hold")
	ids := c.submit(5, "echo")
	c.holder(held[0])
	net.set(true)
	ended := map[string]bool{}
	for !ended["context ended"] || !ended["at client gone"] {
		ended[h.Line()] = true
	}
	h.Send("go") // the next one need not wait
	net.set(false)
	c.checks(held)
	c.checks(ids)
	c.isEmpty()
	h.Kill()
}

func TestConnectionThatIsLostIsMadeAgain(t *testing.T) {
	s := startServer(t, ServerOptions{})
	net := startProxy(t, s.Addr())
	c := startCaller(t, net.listener.Addr().String(), Options{Lease: short})
	h := startHost(t, hostArgs{Server: net.listener.Addr().String(), Name: "host", Workers: 2})
	for range 5 {
		ids := c.submit(200, "echo")
		net.drop()
		c.checks(ids)
	}
	c.isEmpty()
	h.Kill()
}

func TestStatsAndHostsNameAllThatServe(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{})
	a := startHost(t, hostArgs{Server: s.Addr(), Name: "a", Tags: []string{"gpu"}})
	b := startHost(t, hostArgs{Server: s.Addr(), Name: "b", Workers: 3})
	c.hears("a")
	c.hears("b")
	if n := c.Capacity(); n != 4 {
		t.Errorf("the capacity is %d", n)
	}
	stats := c.Stats(t.Context())
	if len(stats.Workers) != 2 || stats.Workers[0].Name != "a/w" || stats.Workers[1].Name != "b/w" || len(stats.Missing) > 0 {
		t.Errorf("%+v", stats)
	}
	hosts := (&Cluster{caller: c.caller}).Hosts()
	if len(hosts) != 2 || hosts[0].Name != "a" || hosts[0].Tags[0] != "gpu" || hosts[1].Workers != 3 || hosts[0].PID != a.PID() || len(hosts[0].Tasks) != 3 {
		t.Errorf("%+v", hosts)
	}
	a.Kill()
	b.Kill()
	proctest.Eventually(t, proctest.Hang, func() bool { return c.Capacity() == 1 && len((&Cluster{caller: c.caller}).Hosts()) == 0 }, "dead hosts stay")
}

func TestTagsChooseHosts(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Tags: []string{"gpu"}})
	plain := startHost(t, hostArgs{Server: s.Addr(), Name: "plain", Workers: 4, Say: true})
	gpu := startHost(t, hostArgs{Server: s.Addr(), Name: "gpu", Tags: []string{"gpu", "big"}})
	c.hears("plain")
	c.hears("gpu")
	c.checks(c.submit(20, "echo"))
	everywhere := startCaller(t, s.Addr(), Options{})
	everywhere.hears("plain")
	everywhere.hears("gpu")
	gpu.Signal(19) // SIGSTOP: only the other one is left
	gpu.WaitStopped()
	held := everywhere.submit(1, "hold")
	plain.Expect("runs hold") // and no echo before it
	plain.Send("go")
	everywhere.checks(held)
	plain.Kill()
	gpu.Kill()
}
