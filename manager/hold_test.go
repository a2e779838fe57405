package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// long selects the heavy forms of tests.
var long = os.Getenv("SHMKIT_LONG") != ""

// many is n in the heavy form of a test, and few otherwise.
func many(n, few int) int {
	if long {
		return n
	}
	return few
}

// roleGoroutines calls the manager args[0] from 1,000 goroutines, and says how many descriptors and
// threads more than one goroutine that takes.
var roleGoroutines = proctest.Register("goroutines", func(args []string) {
	m, err := Dial(background, args[0], Options{})
	proctest.ExitOn(err)
	d, err := Desk.New(background, m, nil)
	proctest.ExitOn(err)
	ctx, cancel := context.WithCancel(background)
	var calls sync.WaitGroup
	call := func(n int) {
		for range n {
			calls.Go(func() { Block.Call(ctx, d, 2) })
		}
	}
	running := func(n int) { // waits until so many calls run
		for {
			list, err := m.Objects(background)
			proctest.ExitOn(err)
			if list[0].References == n+1 {
				return
			}
		}
	}
	call(1)
	running(1)
	busy() // the runtime has the threads of its processors and of its collector
	files, threads := entries("/proc/self/fd"), entries("/proc/self/task")
	call(999)
	running(1000)
	proctest.Say("%d %d", entries("/proc/self/fd")-files, entries("/proc/self/task")-threads)
	cancel()
	calls.Wait()
})

// entries is how many entries a directory has.
func entries(dir string) int {
	all, err := os.ReadDir(dir)
	proctest.ExitOn(err)
	return len(all)
}

// busy has all processors run goroutines and the collector.
func busy() {
	var all sync.WaitGroup
	var running atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			running.Add(1)
			for running.Load() < int64(runtime.GOMAXPROCS(0)) { // each keeps a processor
			}
			runtime.GC()
		})
	}
	all.Wait()
}

// The goroutines of a process share one connection: none takes a descriptor or a thread.
func TestThousandGoroutinesTakeNoDescriptor(t *testing.T) {
	dir := proctest.Dir(t)
	for _, name := range []string{"", "unix://" + dir + "/socket"} {
		m := start(t, Options{Name: name, Concurrent: 2000})
		child := proctest.Start(t, roleGoroutines, m.Address())
		var files, threads int
		if line := child.Line(); line == "" {
			t.Error("no line")
		} else if n, err := fmt.Sscan(line, &files, &threads); n != 2 || err != nil || files != 0 || threads > proctest.FewThreads {
			t.Errorf("%q: %d descriptors and %d threads more, error %v", name, files, threads, err)
		}
		t.Logf("%q: %d descriptors and %d threads more", name, files, threads)
		child.WaitOK()
	}
}

// Many client processes use one object at the same time.
func TestManyClientProcesses(t *testing.T) {
	m := start(t, Options{})
	n := many(500, 20)
	var children []*proctest.Child
	for i := range n {
		children = append(children, proctest.Start(t, roleClient, m.Address(), "", "put", fmt.Sprint(i)))
	}
	for _, c := range children {
		c.WaitOK()
	}
	d, err := Desk.Named(background, m, "main", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if all, err := All.Call(background, d, struct{}{}); err != nil || len(all) != n {
		t.Errorf("%d notes of %d clients, error %v", len(all), n, err)
	}
}

// A proxy passes bytes on until it is told to stop: then it keeps both connections open, and
// forwards nothing.
type proxy struct {
	l     net.Listener
	to    string
	stop  chan struct{}
	conns sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, stop: make(chan struct{})}
	ended := make(chan struct{})
	go p.run(ended)
	t.Cleanup(func() {
		l.Close()
		close(ended)
		p.conns.Wait()
	})
	return p
}

func (p *proxy) run(ended chan struct{}) {
	for {
		a, err := p.l.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", p.to)
		if err != nil {
			a.Close()
			return
		}
		p.conns.Go(func() {
			<-ended
			a.Close()
			b.Close()
		})
		p.conns.Go(func() { p.forward(a, b) })
		p.conns.Go(func() { p.forward(b, a) })
	}
}

func (p *proxy) forward(to io.Writer, from io.Reader) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		select {
		case <-p.stop:
			continue
		default:
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// A connection that is open and silent ends at both sides: the call returns, and the server
// releases the references.
func TestHalfOpenTCP(t *testing.T) {
	// a slow machine is silent itself, for longer than a short silence
	//clock: the silence is the subject
	for silence := 2 * time.Second; !endsOfSilence(t, silence); silence *= 2 {
		if silence > proctest.Hang {
			t.Fatal("a connection that is not silent ends")
		}
	}
}

// endsOfSilence calls by a connection that becomes silent while the call runs. It reports whether
// the call has run by then.
func endsOfSilence(t *testing.T, silence time.Duration) (ran bool) {
	o := Options{Key: []byte("key"), Insecure: true, Silence: silence}
	l, err := Listen("tcp://127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(background, l, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.Kill()
		proctest.Ends(t, s.Done(), "the server ends")
	}()
	p := newProxy(t, l.Addr().String())
	client, err := Dial(background, "tcp://"+p.l.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var lost *LostError
	d, err := Desk.New(background, client, nil)
	if errors.As(err, &lost) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	done := make(chan error, 1)
	go func() {
		_, err := Block.Call(background, d, 2)
		done <- err
	}()
	proctest.Eventually(t, proctest.Hang, func() bool {
		list := s.list()
		ran = len(list) == 1 && list[0].References == 2
		return ran || len(done) > 0
	}, "the call runs")
	close(p.stop)
	if err = proctest.Ends(t, done, "the call over a silent connection ends"); !errors.As(err, &lost) {
		t.Fatalf("error %v", err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return len(s.list()) == 0 }, "the server has no objects")
	return ran
}

// A client that does not read its results holds up none of the others.
func TestClientThatDoesNotRead(t *testing.T) {
	name := "unix://" + proctest.Dir(t) + "/socket"
	m := start(t, Options{Name: name})
	child := proctest.Start(t, roleStuck, name)
	child.Expect("stuck")
	d := newDesk(t, m)
	for i := range int64(200) {
		if n, err := Add.Call(background, d, i); err != nil || n != i+1 {
			t.Fatalf("%d, error %v", n, err)
		}
	}
	child.Kill()
	objects(t, m, 1)
}

// roleStuck begins an iteration of large values, and stops reading.
var roleStuck = proctest.Register("stuck", func(args []string) {
	m, err := Dial(background, args[0], Options{})
	proctest.ExitOn(err)
	d, err := Desk.New(background, m, nil)
	proctest.ExitOn(err)
	m.c.l.mu.Lock() // whichever goroutine reads comes to this lock
	go func() {
		proctest.Say("stuck")
		proctest.Hear()
	}()
	for range 100 {
		go Echo.Call(background, d, make([]byte, 1<<20))
	}
	select {}
})
