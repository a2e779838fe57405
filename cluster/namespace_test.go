package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A namespace is a network of its own with one link to this one.
type namespace struct {
	name, link    string
	inside, below string // addresses of the two ends
}

// peerLink is the link's other end, in the namespace.
const peerLink = "peer0"

// newNamespace makes a network namespace. It skips the test where that is not allowed.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped without root: it makes a network namespace")
	}
	id := os.Getpid()
	n := &namespace{name: fmt.Sprint("shmkit-", id), link: fmt.Sprint("shm", id)}
	address := func(host int) string { // of the four that are this process's, of networks for tests
		at := id<<2 | host
		return fmt.Sprintf("198.%d.%d.%d", 18|at>>16&1, at>>8&255, at&255)
	}
	n.below, n.inside = address(1), address(2)
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("skipped: a network namespace cannot be made: %v %s", err, out)
	}
	t.Cleanup(func() { n.ip(t, "netns", "del", n.name) }) // its link goes with it
	if out, err := exec.Command("ip", "link", "add", n.link, "type", "veth", "peer", "name", peerLink, "netns", n.name).CombinedOutput(); err != nil {
		t.Skipf("skipped: a link into a namespace cannot be made: %v %s", err, out)
	}
	n.ip(t, "address", "add", n.below+"/30", "dev", n.link)
	n.ip(t, "link", "set", n.link, "up")
	n.ip(t, "-n", n.name, "address", "add", n.inside+"/30", "dev", peerLink)
	n.ip(t, "-n", n.name, "link", "set", peerLink, "up")
	if err := n.reaches(); err != nil {
		t.Skipf("skipped: a program in a namespace does not reach this one: %v", err)
	}
	return n
}

// reaches tries a connection from inside.
func (n *namespace) reaches() error {
	l, err := net.Listen("tcp", n.below+":0")
	if err != nil {
		return err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	out, err := exec.Command("ip", "netns", "exec", n.name, "timeout", "60", "bash", "-c", "exec 3<>/dev/tcp/"+n.below+"/"+port).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (n *namespace) ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v %s", strings.Join(args, " "), err, out)
	}
}

// set cuts the link, or heals it.
func (n *namespace) set(t *testing.T, up bool) {
	t.Helper()
	n.ip(t, "link", "set", n.link, map[bool]string{true: "up", false: "down"}[up])
}

// startHost starts a host process in the namespace.
func (n *namespace) startHost(t *testing.T, a hostArgs) *proctest.Child {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	c := proctest.Command(t, roleHostOf, string(b))
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Cmd.Args = append([]string{"ip", "netns", "exec", n.name, program}, c.Cmd.Args[1:]...)
	c.Cmd.Path = ip
	c.Start()
	c.Expect("ready")
	return c
}

// The link to a host goes down: its packets are lost, and both sides take the connection for a
// living one.
func TestHostInNamespaceThatIsCutOffLosesItsTasksToAnother(t *testing.T) {
	n := newNamespace(t)
	s := startServer(t, ServerOptions{Listen: n.below + ":0", Secret: "the secret"})
	c := startCaller(t, s.Addr(), Options{Lease: short, Secret: "the secret"})
	victim := n.startHost(t, hostArgs{Server: s.Addr(), Secret: "the secret", Name: "victim", Workers: 1, Tasks: []string{"echo", "hold"}})
	held := c.submit(1, "hold")
	c.holder(held[0])
	n.set(t, false)
	ids := c.submit(20, "echo")
	heir := startHost(t, hostArgs{Server: s.Addr(), Secret: "the secret", Name: "heir", Workers: 2})
	c.holderNot(held[0], "victim")
	heir.Send("go")
	c.checks(held)
	c.checks(ids)
	victim.Send("go")
	n.set(t, true)
	c.hears("victim")
	c.isEmpty()
	c.checks(held) // still once
	c.checks(c.submit(20, "echo"))
	victim.Kill()
	heir.Kill()
}
