package pipe

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleHangUp makes args[1] connections to args[0], writes the number of each, and hangs up at once.
var roleHangUp = proctest.Register("hang-up", func(args []string) {
	n, err := strconv.Atoi(args[1])
	proctest.ExitOn(err)
	for i := range n {
		c, err := Dial(background, args[0], DialOptions{Wait: policies["spin"]})
		proctest.ExitOn(err)
		_, err = c.Write(binary.NativeEndian.AppendUint64(nil, uint64(i)))
		proctest.ExitOn(err)
		proctest.ExitOn(c.Close())
	}
	proctest.Say("done")
})

// A connection that its dialer has closed before Accept returns comes all the same, with what was
// written, and in order.
func TestAcceptAfterHangUp(t *testing.T) {
	const n = 3000
	l, path := newListener(t, ListenOptions{Buffer: 64})
	child := proctest.Start(t, roleHangUp, path, strconv.Itoa(n))
	for i := range uint64(n) {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(proctest.Hang))
		got, err := io.ReadAll(c)
		if err != nil || len(got) != 8 || binary.NativeEndian.Uint64(got) != i {
			t.Fatalf("connection %d: %x, %v", i, got, err)
		}
		c.Close()
	}
	child.Expect("done")
	child.WaitOK()
}

// roleImpatient dials args[0] args[1] times, gives up soon, and says how often it was connected. It
// is twice as patient after each dial that it has given up, and half as much after a connection: so
// its limit stays near the time that a dial takes, on any machine.
var roleImpatient = proctest.Register("impatient", func(args []string) {
	n, err := strconv.Atoi(args[1])
	proctest.ExitOn(err)
	connected, limit := 0, 400*time.Microsecond
	for range n {
		//clock: dialers that give up are the subject
		ctx, cancel := context.WithTimeout(background, rand.N(limit))
		c, err := Dial(ctx, args[0], DialOptions{})
		cancel()
		if errors.Is(err, syscall.ECONNREFUSED) {
			break // the listener has had enough
		}
		if errors.Is(err, context.DeadlineExceeded) {
			limit = min(2*limit, time.Minute)
			continue
		}
		proctest.ExitOn(err)
		limit = max(limit/2, 1)
		connected++
		_, err = c.Write([]byte("x"))
		proctest.ExitOn(err)
		proctest.ExitOn(c.Close())
	}
	proctest.Say("%d", connected)
})

// Dial and Accept agree on what is a connection, whenever a dialer gives up, or the listener.
func TestDialerGivesUp(t *testing.T) {
	for name, last := range map[string]int{"to the end": 1 << 30, "until closed": 200} {
		t.Run(name, func(t *testing.T) {
			l, path := newListener(t, ListenOptions{Buffer: 64, Backlog: 2})
			var children []*proctest.Child
			for range 2 {
				children = append(children, proctest.Start(t, roleImpatient, path, "1000"))
			}
			accepted := make(chan int)
			go func() {
				n := 0
				defer func() { accepted <- n }()
				for {
					c, err := l.Accept()
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if n++; n == last {
						l.Close()
					}
					if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
						t.Errorf("connection %d: %q, %v", n, got, err)
					}
					c.Close()
				}
			}()
			dialed := 0
			for _, child := range children {
				n, err := strconv.Atoi(child.Line())
				wantErr(t, err, nil)
				dialed += n
				child.WaitOK()
			}
			l.Close()
			n := <-accepted
			t.Logf("%d of 2000 were connected", n)
			if n != dialed || n == 0 {
				t.Errorf("%d were accepted, and %d connected", n, dialed)
			}
		})
	}
}
