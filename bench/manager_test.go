//go:build linux

package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/manager"
	"github.com/shmkit/shmkit/queue/pipe"
)

// managed is the object of the benchmarks.
type managed struct{}

var (
	managedType = manager.Define("bench", func(context.Context, struct{}) (*managed, error) { return &managed{}, nil })
	managedNext = manager.Method(managedType, "next", func(_ *managed, _ context.Context, n int64) (int64, error) { return n + 1, nil })
	managedWait = manager.Method(managedType, "wait", func(_ *managed, ctx context.Context, n int64) (int64, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
)

// Next is the method of net/rpc.
type Next struct{}

// Add returns the next number.
func (Next) Add(n int64, next *int64) error {
	*next = n + 1
	return nil
}

// roleManagerPeer serves at args[1] what args[0] names, by the transport args[2].
var roleManagerPeer = proctest.Register("manager-peer", func(args []string) {
	var l net.Listener
	var err error
	if args[2] == "unix" {
		l, err = net.Listen("unix", args[1])
	} else {
		l, err = pipe.Listen(args[1], pipe.ListenOptions{Wait: policies[args[3]]})
	}
	proctest.ExitOn(err)
	proctest.Say("listening")
	if args[0] == "net-rpc" {
		s := rpc.NewServer()
		proctest.ExitOn(s.Register(Next{}))
		s.Accept(l)
		return
	}
	c, err := l.Accept()
	proctest.ExitOn(err)
	var b [8]byte
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return
		}
		binary.LittleEndian.PutUint64(b[:], binary.LittleEndian.Uint64(b[:])+1)
		if _, err := c.Write(b[:]); err != nil {
			return
		}
	}
})

// A managerPeer opens what makes one call: the next number of a number.
type managerPeer struct {
	name string
	open func(b testing.TB, transport, policy string) func(n int64) (int64, error)
}

// managerPeers are the rows of a transport.
func managerPeers(transport string) []managerPeer {
	echo := "pipe-echo"
	if transport == "unix" {
		echo = "socket-echo"
	}
	return []managerPeer{
		{"shmkit", openManager},
		{echo, openEcho},
		{"net-rpc", openNetRPC},
		{"python", nil}, // see runPythonManager
	}
}

func openManager(b testing.TB, transport, _ string) func(int64) (int64, error) {
	ref := managedIn(b, startManager(b, transport))
	return func(n int64) (int64, error) { return managedNext.Call(context.Background(), ref, n) }
}

func startManager(b testing.TB, transport string) *manager.Manager {
	b.Helper()
	o := manager.Options{}
	if transport == "unix" {
		o.Name = "unix://" + filepath.Join(b.TempDir(), "manager")
	}
	m, err := manager.Start(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		m.Kill() // it may have ended
		m.Close()
	})
	return m
}

func managedIn(b testing.TB, m *manager.Manager) *manager.Ref[*managed] {
	b.Helper()
	ref, err := managedType.New(context.Background(), m, struct{}{})
	if err != nil {
		b.Fatal(err)
	}
	return ref
}

// dialPeer starts a peer, and connects to it.
func dialPeer(b testing.TB, peer, transport, policy string) net.Conn {
	b.Helper()
	at := filepath.Join(proctest.Dir(b), "peer")
	child := proctest.Start(b, roleManagerPeer, peer, at, transport, policy)
	child.Expect("listening")
	var c net.Conn
	var err error
	if transport == "unix" {
		c, err = net.Dial("unix", at)
	} else {
		c, err = pipe.Dial(context.Background(), at, pipe.DialOptions{Wait: policies[policy]})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		child.Kill()
	})
	return c
}

func openEcho(b testing.TB, transport, policy string) func(int64) (int64, error) {
	c := dialPeer(b, "echo", transport, policy)
	var buf [8]byte
	return func(n int64) (int64, error) {
		binary.LittleEndian.PutUint64(buf[:], uint64(n))
		if _, err := c.Write(buf[:]); err != nil {
			return 0, err
		}
		_, err := io.ReadFull(c, buf[:])
		return int64(binary.LittleEndian.Uint64(buf[:])), err
	}
}

func openNetRPC(b testing.TB, transport, policy string) func(int64) (int64, error) {
	client := rpc.NewClient(dialPeer(b, "net-rpc", transport, policy))
	b.Cleanup(func() { client.Close() })
	return func(n int64) (next int64, err error) {
		err = client.Call("Next.Add", n, &next)
		return next, err
	}
}

// runPythonManager measures calls of a manager of Python, n in each round.
func runPythonManager(b *testing.B, rest time.Duration) {
	if lacksPython() {
		missing(b, "python3")
	}
	cmd := exec.Command("python3", "-B", filepath.Join("peers", "manager.py"), fmt.Sprint(rest.Seconds()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, noIn := cmd.StdinPipe()
	out, noOut := cmd.StdoutPipe()
	if err := errors.Join(noIn, noOut, proctest.StartBound(cmd)); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	answers := bufio.NewReader(out)
	ask := func(n int) float64 {
		fmt.Fprintln(in, n)
		line, err := answers.ReadString('\n')
		ns, noNumber := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err := errors.Join(err, noNumber); err != nil {
			b.Fatal(err)
		}
		return ns
	}
	ask(10)
	b.ResetTimer()
	b.ReportMetric(ask(b.N)/float64(b.N), "ns/op")
}

// BenchmarkManagerCall calls a method with 8 bytes, which returns 8 bytes, call after call, or each
// after a rest of 10 ms. The echoes are what the transport alone takes; at rest they park.
func BenchmarkManagerCall(b *testing.B) {
	for _, transport := range []string{"shm", "unix"} {
		for _, peer := range managerPeers(transport) {
			if peer.name == "python" && transport == "shm" {
				continue // its transport is a unix socket: that row is the peer of both
			}
			for _, rest := range []time.Duration{0, coldPause} {
				name, policy := "transport="+transport+"/impl="+peer.name, ""
				if rest > 0 {
					name, policy = name+"/rest=10ms", "-parked"
				}
				b.Run(name, func(b *testing.B) {
					if peer.name == "python" {
						runPythonManager(b, rest)
						return
					}
					runCalls(b, peer.open(b, transport, policy), rest)
				})
			}
		}
	}
}

// runCalls measures calls without the rests.
func runCalls(b *testing.B, call func(int64) (int64, error), rest time.Duration) {
	b.Helper()
	for n := range int64(200) { // before they count
		if next, err := call(n); err != nil || next != n+1 {
			b.Fatalf("%d after %d, error %v", next, n, err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	var took time.Duration
	for n := range int64(b.N) {
		if rest > 0 {
			sleepThread(rest)
			begun := time.Now()
			next, err := call(n)
			took += time.Since(begun)
			if err != nil || next != n+1 {
				b.Fatalf("%d after %d, error %v", next, n, err)
			}
			continue
		}
		if next, err := call(n); err != nil || next != n+1 {
			b.Fatalf("%d after %d, error %v", next, n, err)
		}
	}
	if rest > 0 {
		b.ReportMetric(float64(took)/float64(b.N), "ns/op")
	}
}

// BenchmarkManagerParallel has 100 goroutines call a method by one connection.
func BenchmarkManagerParallel(b *testing.B) {
	b.Run("goroutines=100/transport=shm", func(b *testing.B) {
		ref := managedIn(b, startManager(b, "shm"))
		const goroutines = 100
		b.ReportAllocs()
		var calls sync.WaitGroup
		for g := range goroutines {
			calls.Go(func() {
				for n := g; n < b.N; n += goroutines {
					if _, err := managedNext.Call(context.Background(), ref, int64(n)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		calls.Wait()
	})
}

// BenchmarkManagerLost measures from a kill until all that waits for it knows: 1,000 calls of the
// manager that is killed; the manager of a client that is killed with 1,000 references.
func BenchmarkManagerLost(b *testing.B) {
	b.Run("calls=1000", func(b *testing.B) {
		var took time.Duration
		for range b.N {
			took += loseCalls(b, 1000)
		}
		b.ReportMetric(float64(took)/float64(b.N), "ns/op")
	})
	b.Run("refs=1000", func(b *testing.B) {
		var took time.Duration
		for range b.N {
			took += loseRefs(b, 1000)
		}
		b.ReportMetric(float64(took)/float64(b.N), "ns/op")
	})
}

func loseCalls(b testing.TB, n int) time.Duration {
	m := startManager(b, "shm")
	ref := managedIn(b, m)
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			var lost *manager.LostError
			if _, err := managedWait.Call(context.Background(), ref, 0); !errors.As(err, &lost) {
				b.Errorf("error %v", err)
			}
		})
	}
	proctest.Eventually(b, proctest.Hang, func() bool {
		list, err := m.Objects(context.Background())
		return err == nil && list[0].References >= n
	}, "the calls run")
	begun := time.Now()
	m.Kill()
	calls.Wait()
	return time.Since(begun)
}

// roleRefs holds args[1] references to objects of the manager args[0].
var roleRefs = proctest.Register("manager-refs", func(args []string) {
	m, err := manager.Dial(context.Background(), args[0], manager.Options{})
	proctest.ExitOn(err)
	n, err := strconv.Atoi(args[1])
	proctest.ExitOn(err)
	refs := make([]*manager.Ref[*managed], n)
	for i := range refs {
		refs[i], err = managedType.New(context.Background(), m, struct{}{})
		proctest.ExitOn(err)
	}
	proctest.Say("holds")
	proctest.Hear()
	refs[0].Close()
})

func loseRefs(b testing.TB, n int) time.Duration {
	m := startManager(b, "shm")
	child := proctest.Start(b, roleRefs, m.Address(), fmt.Sprint(n))
	child.Expect("holds")
	begun := time.Now()
	child.Signal(syscall.SIGKILL)
	for {
		left, err := m.NumberOfObjects(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if left == 0 {
			break
		}
	}
	took := time.Since(begun)
	child.Kill()
	return took
}

// TestManagerRows makes a few calls of each row.
func TestManagerRows(t *testing.T) {
	for _, transport := range []string{"shm", "unix"} {
		for _, peer := range managerPeers(transport) {
			if peer.open == nil {
				continue
			}
			t.Run(transport+"/"+peer.name, func(t *testing.T) {
				call := peer.open(t, transport, "")
				for n := range int64(50) {
					if next, err := call(n); err != nil || next != n+1 {
						t.Fatalf("%d after %d, error %v", next, n, err)
					}
				}
			})
		}
	}
	loseCalls(t, 100)
	loseRefs(t, 100)
}
