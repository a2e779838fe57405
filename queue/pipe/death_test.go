package pipe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// rolePipeEnd has the second end of the pipe in the segment args[0], and does with it what args[1]
// says.
var rolePipeEnd = proctest.Register("pipe-end", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	c, err := Open(seg, "p", Options{})
	proctest.ExitOn(err)
	switch args[1] {
	case "hold", "leave", "abandon":
		_, err := c.Write([]byte("hello"))
		proctest.ExitOn(err)
		proctest.Say("ready")
		proctest.Hear()
		if args[1] == "abandon" {
			proctest.ExitOn(seg.Close())
			proctest.Say("gone")
			proctest.Hear()
		}
	case "flood":
		proctest.Say("ready")
		proctest.ExitOn(flood(c))
	case "drain":
		proctest.Say("ready")
		_, err := io.Copy(io.Discard, c)
		proctest.ExitOn(err)
	case "mute":
		proctest.Say("ready")
		proctest.Hear()
	}
})

// flood writes the numbers from 0 on, in pieces of many sizes, for ever.
func flood(w io.Writer) error {
	b := make([]byte, 0, 30000)
	for n := uint64(0); ; {
		b = b[:0]
		for range n%3000 + 1 {
			b = binary.NativeEndian.AppendUint64(b, n)
			n++
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
}

// withPipeEnd makes a pipe and starts a child that has the other end and does as it is told.
func withPipeEnd(t testing.TB, what string, o Options) (*Conn, *proctest.Child) {
	t.Helper()
	path := filepath.Join(proctest.Dir(t), "segment")
	seg, err := shm.Create(path, shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(seg, "p", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); seg.Close() })
	child := proctest.Start(t, rolePipeEnd, path, what)
	child.Expect("ready")
	return c, child
}

// What was published before the death is read; after that the death is told, and told again.
func TestPipePeerDead(t *testing.T) {
	for name, end := range map[string]func(*proctest.Child){
		"hold":    func(child *proctest.Child) { child.Kill() },
		"leave":   func(child *proctest.Child) { child.Send("go"); child.WaitOK() },
		"abandon": func(child *proctest.Child) { child.Send("go"); child.Expect("gone"); child.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			c, child := withPipeEnd(t, name, Options{})
			end(child)
			if got, err := io.ReadAll(c); string(got) != "hello" || err != io.ErrUnexpectedEOF {
				t.Errorf("read %q, %v", got, err)
			}
			for range 2 {
				if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.ErrUnexpectedEOF {
					t.Errorf("read %d, %v", n, err)
				}
				if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
					t.Errorf("write %d, %v", n, err)
				}
			}
			_, err := Open(reopen(t, c.p.o.Seg.Path()), "p", Options{})
			wantErr(t, err, queue.ErrRoleTaken)
		})
	}
}

// A Read and a Write that wait notice the death of the process at the other end: its death wakes
// them.
func TestPipeBlockedNoticesDeath(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 3
	}
	for policyName, policy := range policies {
		t.Run(policyName, func(t *testing.T) {
			for range rounds {
				c, child := withPipeEnd(t, "mute", Options{Buffer: 64, Wait: policy})
				var all sync.WaitGroup
				all.Go(func() {
					_, err := c.Read(make([]byte, 1))
					wantErrorf(t, "read", err, io.ErrUnexpectedEOF)
				})
				all.Go(func() {
					_, err := c.Write(make([]byte, 100))
					wantErrorf(t, "write", err, syscall.EPIPE)
				})
				if policyName != "spin" {
					asleep.Await(t, c.p.o.Seg, 2)
				}
				child.Kill()
				all.Wait()
			}
		})
	}
}

// A writer that is killed in the middle leaves a stream that is right as far as it goes.
func TestPipeWriterKilled(t *testing.T) {
	for range 5 {
		c, child := withPipeEnd(t, "flood", Options{Buffer: 5000, start: ^uint64(0) - 10000})
		go func() { proctest.Stagger(50 * time.Millisecond); child.Signal(syscall.SIGKILL) }()
		got, err := io.ReadAll(c)
		if err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
		for n := uint64(0); len(got) >= 8; n, got = n+1, got[8:] {
			if v := binary.NativeEndian.Uint64(got); v != n {
				t.Fatalf("number %d is %d", n, v)
			}
		}
		child.Wait()
	}
}

// A reader that is killed ends the writes.
func TestPipeReaderKilled(t *testing.T) {
	c, child := withPipeEnd(t, "drain", Options{Buffer: 5000})
	go func() { proctest.Stagger(40 * time.Millisecond); child.Signal(syscall.SIGKILL) }()
	if err := flood(c); !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
	child.Wait()
}

// A process that is stopped lives.
func TestPipePeerStopped(t *testing.T) {
	c, child := withPipeEnd(t, "hold", Options{})
	child.Signal(syscall.SIGSTOP)
	child.WaitStopped()
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Error(err)
	}
	c.SetDeadline(time.Now().Add(50 * time.Millisecond)) //clock: the deadline is the subject
	_, err := c.Read(b)
	wantErr(t, err, os.ErrDeadlineExceeded)
	c.SetDeadline(time.Time{})
	if n, err := c.Write(b); n != 5 || err != nil {
		t.Error(n, err)
	}
	child.Signal(syscall.SIGCONT)
	child.Kill()
	_, err = c.Read(b)
	wantErr(t, err, io.ErrUnexpectedEOF)
}

// roleIdle makes args[1] connections to args[0], reads from each, and says what that costs while
// nothing comes.
var roleIdle = proctest.Register("idle", func(args []string) {
	n, err := strconv.Atoi(args[1])
	proctest.ExitOn(err)
	before := threadsOf()
	var blocked sync.WaitGroup
	for range n {
		c, err := Dial(background, args[0], DialOptions{})
		proctest.ExitOn(err)
		blocked.Go(func() {
			b := make([]byte, 4)
			_, err := io.ReadFull(c, b)
			proctest.ExitOn(err)
			if string(b) != "wake" {
				proctest.ExitOn(fmt.Errorf("read %q", b))
			}
			c.Close()
		})
	}
	share := idleShare()
	for range 10 { // until what the start has caused is over
		if share <= idleBound {
			break
		}
		share = idleShare()
	}
	proctest.Say("%d more threads, %.2f %% of a processor", threadsOf()-before, share)
	blocked.Wait()
	proctest.Say("woken")
})

// idleBound is what 1,000 connections may use of a processor while nothing comes, in percent. Each
// is looked after about once a second, which takes a microsecond on one machine and many on
// another.
const idleBound = 10

// idleShare is the percentage of a processor that this process uses for two seconds.
func idleShare() float64 {
	began, used := time.Now(), cpuTime()
	time.Sleep(2 * time.Second) // that nothing happens meanwhile is the subject
	return 100 * (cpuTime() - used).Seconds() / time.Since(began).Seconds()
}

// threadsOf is how many threads this process has.
func threadsOf() int {
	dirs, err := os.ReadDir("/proc/self/task")
	proctest.ExitOn(err)
	return len(dirs)
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	proctest.ExitOn(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Connections on which nothing happens cost next to nothing, however many there are.
func TestIdleConnections(t *testing.T) {
	const n = 1000
	l, path := newListener(t, ListenOptions{Buffer: 1024})
	child := proctest.Start(t, roleIdle, path, strconv.Itoa(n))
	var all []net.Conn
	for range n {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	line := child.Line()
	t.Log(line)
	var threads int
	var used float64
	if _, err := fmt.Sscanf(line, "%d more threads, %f %%", &threads, &used); err != nil {
		t.Fatal(err)
	}
	if threads > proctest.FewThreads {
		t.Errorf("%d more threads", threads)
	}
	// with it, each looks again and again
	if used > idleBound && !race.Enabled && os.Getenv(futex.FallbackEnv) == "" {
		t.Errorf("%.2f %% of a processor", used)
	}
	for _, c := range all {
		if _, err := c.Write([]byte("wake")); err != nil {
			t.Fatal(err)
		}
	}
	child.Expect("woken")
	child.WaitOK()
}
