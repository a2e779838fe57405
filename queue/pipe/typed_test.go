package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/handshake"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A note is a message without a fixed size.
type note struct {
	Text string
	Body []byte
	Any  any
}

// typedPair are the two ends of a typed connection.
type typedPair struct {
	a *TypedConn[note, note]
	b *TypedConn[note, note]
}

// connections are ways to connect two ends in this process.
var connections = map[string]func(t *testing.T) (net.Conn, net.Conn){
	"pipe": func(t *testing.T) (net.Conn, net.Conn) {
		a, b, err := Pair(Options{})
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	},
	"unix":     func(t *testing.T) (net.Conn, net.Conn) { return socketPair(t, "unix", proctest.Dir(t)+"/s") },
	"tcp":      func(t *testing.T) (net.Conn, net.Conn) { return socketPair(t, "tcp", "127.0.0.1:0") },
	"net.Pipe": func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
}

func socketPair(t *testing.T, network, at string) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// both makes typed ends of the two ends of a connection, at the same time.
func both[S, R any](a, b net.Conn, oa, ob TypedOptions) (ta *TypedConn[S, R], tb *TypedConn[R, S], errA, errB error) {
	var done sync.WaitGroup
	done.Go(func() { ta, errA = Typed[S, R](a, oa) })
	done.Go(func() { tb, errB = Typed[R, S](b, ob) })
	done.Wait()
	return ta, tb, errA, errB
}

func newTypedPair(t *testing.T, connect func(*testing.T) (net.Conn, net.Conn), o TypedOptions) typedPair {
	t.Helper()
	a, b := connect(t)
	ta, tb, errA, errB := both[note, note](a, b, o, o)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ta.Close(); tb.Close() })
	return typedPair{ta, tb}
}

func TestTypedKeepsBorders(t *testing.T) {
	for name, connect := range connections {
		for _, key := range [][]byte{nil, []byte("a key of 16 bytes")} {
			t.Run(fmt.Sprintf("%s/key=%t", name, key != nil), func(t *testing.T) {
				p := newTypedPair(t, connect, TypedOptions{Key: key})
				var sizes = []int{0, 1, 1000, 64 << 10, 64<<10 + 1, 1 << 20, 3}
				var sending sync.WaitGroup
				sending.Go(func() {
					for i, n := range sizes {
						if err := p.a.Send(background, note{Text: fmt.Sprint(i), Body: bytes.Repeat([]byte{byte(i)}, n)}); err != nil {
							t.Error(err)
						}
					}
				})
				for i, n := range sizes {
					m, err := p.b.Recv(background)
					if err != nil {
						t.Fatal(err)
					}
					if m.Text != fmt.Sprint(i) || len(m.Body) != n || bytes.Count(m.Body, []byte{byte(i)}) != n {
						t.Fatalf("message %d has the text %q and %d bytes, want %d", i, m.Text, len(m.Body), n)
					}
					sending.Go(func() { // the other way
						if err := p.b.Send(background, note{Any: int64(i)}); err != nil {
							t.Error(err)
						}
					})
					if back, err := p.a.Recv(background); err != nil || back.Any != int64(i) {
						t.Fatalf("the answer is %v, error %v", back, err)
					}
				}
				sending.Wait() // a message has come before its Send returns
			})
		}
	}
}

// A slice that is empty arrives empty, and one that is nil arrives nil.
func TestTypedEmptyIsNotNil(t *testing.T) {
	for name, connect := range connections {
		t.Run(name, func(t *testing.T) {
			typedSame(t, connect, []byte{}, nil, []byte{1}, []byte{}, bytes.Repeat([]byte{1}, 200_000), nil)
			typedSame(t, connect, nil, []float64{}, []float64{1}, nil, []float64{})
			typedSame(t, connect, nil, []string{}, []string{""}, nil)
		})
	}
}

// typedSame wants messages to arrive as they are.
func typedSame[T any](t *testing.T, connect func(*testing.T) (net.Conn, net.Conn), all ...T) {
	t.Helper()
	ca, cb := connect(t)
	a, b, errA, errB := both[T, T](ca, cb, TypedOptions{}, TypedOptions{})
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	// without a farewell, for which each would wait
	defer func() { ca.Close(); cb.Close(); a.Close(); b.Close() }()
	var sender sync.WaitGroup
	sender.Go(func() {
		for _, v := range all {
			if err := a.Send(background, v); err != nil {
				t.Error(err)
			}
		}
	})
	for _, v := range all {
		got, err := b.Recv(background)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, v) {
			t.Errorf("%.50v (nil: %v) arrives as %.50v (nil: %v)", v, reflect.ValueOf(v).IsNil(), got, reflect.ValueOf(got).IsNil())
		}
	}
	sender.Wait()
}

// Messages of several goroutines, large and small ones, arrive whole, and those of each in order.
func TestTypedOfManyGoroutines(t *testing.T) {
	const senders, each = 8, 40
	for name, connect := range connections {
		t.Run(name, func(t *testing.T) {
			p := newTypedPair(t, connect, TypedOptions{})
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			var sending sync.WaitGroup
			for s := range senders {
				sending.Go(func() {
					for i := range each {
						n := 10
						if i%10 == s {
							n = 200 << 10
						}
						m := note{Text: fmt.Sprint(s), Any: int64(i), Body: bytes.Repeat([]byte{byte(s)}, n)}
						if err := p.a.Send(ctx, m); err != nil {
							t.Error(err)
						}
					}
				})
			}
			var next [senders]int64
			for range senders * each {
				m, err := p.b.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				var s int
				fmt.Sscan(m.Text, &s)
				if m.Any != next[s] || bytes.Count(m.Body, []byte{byte(s)}) != len(m.Body) {
					t.Fatalf("sender %d: message %v came, want %d", s, m.Any, next[s])
				}
				next[s]++
			}
			sending.Wait()
		})
	}
}

func TestTypedKeys(t *testing.T) {
	first, second := TypedOptions{Key: []byte("first")}, TypedOptions{Key: []byte("second")}
	for name, connect := range connections {
		for _, c := range []struct {
			a, b         TypedOptions
			textA, textB string
		}{
			{first, second, "differ", "differ"},
			{first, TypedOptions{}, "the other side has none", "wants a key"},
		} {
			if name == "net.Pipe" && c.b.Key == nil {
				continue // the side without a key takes the greeting only in Recv
			}
			a, b := connect(t)
			ta, tb, errA, errB := both[note, note](a, b, c.a, c.b)
			if errB == nil { // without a key it is the first Recv that finds out
				_, errB = tb.Recv(background)
				tb.Close()
			}
			for _, got := range []struct {
				err  error
				text string
			}{{errA, c.textA}, {errB, c.textB}} {
				if !errors.Is(got.err, ErrKey) || !strings.Contains(got.err.Error(), got.text) {
					t.Errorf("%s: error %v, want ErrKey with %q", name, got.err, got.text)
				}
			}
			if ta != nil {
				t.Errorf("%s: a connection with a wrong key", name)
			}
		}
	}
}

// A side that sends back what it gets does not prove anything.
func TestTypedReflection(t *testing.T) {
	a, b := connections["tcp"](t)
	go func() {
		io.Copy(b, b)
		b.Close()
	}()
	if _, err := Typed[note, note](a, TypedOptions{Key: []byte("key")}); !errors.Is(err, ErrKey) {
		t.Errorf("error %v, want ErrKey", err)
	}
}

func TestTypedWithAnotherProtocol(t *testing.T) {
	for _, key := range []string{"", "key"} {
		a, b := connections["tcp"](t)
		if _, err := b.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		c, err := Typed[note, note](a, TypedOptions{Key: []byte(key)})
		if err == nil {
			_, err = c.Recv(background)
			c.Close()
		}
		if !errors.Is(err, handshake.ErrProtocol) {
			t.Errorf("key %q: error %v", key, err)
		}
		b.Close()
	}
}

// A message that cannot be encoded, or is too large, is the sender's error, and the connection goes
// on; so it does after one that cannot be decoded.
func TestTypedErrorsOfMessages(t *testing.T) {
	p := newTypedPair(t, connections["pipe"], TypedOptions{Max: 1000})
	if err := p.a.Send(background, note{Any: func() {}}); err == nil {
		t.Error("a function was sent")
	}
	if err := p.a.Send(background, note{Body: make([]byte, 2000)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if err := p.a.Send(background, note{Text: "good"}); err != nil {
		t.Fatal(err)
	}
	if m, err := p.b.Recv(background); err != nil || m.Text != "good" {
		t.Errorf("%v, error %v", m, err)
	}
}

func TestTypedLimitsWhatComes(t *testing.T) {
	a, b := connections["pipe"](t)
	ta, tb, _, _ := both[note, note](a, b, TypedOptions{}, TypedOptions{Max: 100 << 10})
	defer ta.Close()
	defer tb.Close()
	go ta.Send(background, note{Body: make([]byte, 1<<20)})
	if _, err := tb.Recv(background); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestTypedChecksTypes(t *testing.T) {
	a, b := connections["pipe"](t)
	ta, errA := Typed[int64, int64](a, TypedOptions{})
	tb, errB := Typed[int64, int32](b, TypedOptions{})
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	defer ta.Close()
	defer tb.Close()
	if err := ta.Send(background, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := tb.Recv(background); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("error %v, want ErrMismatch", err)
	}
}

func TestTypedRecvEndsWithContext(t *testing.T) {
	for name, connect := range connections {
		p := newTypedPair(t, connect, TypedOptions{})
		ctx, cancel := context.WithCancel(background)
		done := proctest.MustBlock(t, func() {
			if _, err := p.b.Recv(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v", name, err)
			}
		})
		cancel()
		proctest.Ends(t, done, "Recv returns with its context")
		go p.a.Send(background, note{Text: "later"})
		if m, err := p.b.Recv(background); err != nil || m.Text != "later" {
			t.Errorf("%s: %v, error %v", name, m, err)
		}
	}
}

// A Send whose context ends leaves no half of a message.
func TestTypedSendEndsWithContext(t *testing.T) {
	for name, connect := range connections {
		p := newTypedPair(t, connect, TypedOptions{})
		ctx, cancel := context.WithCancel(background)
		done := proctest.MustBlock(t, func() {
			if err := p.a.Send(ctx, note{Body: make([]byte, 32<<20)}); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v", name, err)
			}
		})
		cancel()
		proctest.Ends(t, done, "Send returns with its context")
		go p.a.Send(background, note{Text: "later"})
		if m, err := p.b.Recv(background); err != nil || m.Text != "later" {
			t.Errorf("%s: %q with %d bytes, error %v", name, m.Text, len(m.Body), err)
		}
	}
}

func TestTypedClose(t *testing.T) {
	for name, connect := range connections {
		p := newTypedPair(t, connect, TypedOptions{})
		done := proctest.MustBlock(t, func() {
			if _, err := p.a.Recv(background); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: Recv of the closed end: error %v", name, err)
			}
		})
		received := make(chan struct{})
		go func() {
			defer close(received)
			if m, err := p.b.Recv(background); err != nil || m.Text != "last" {
				t.Errorf("%s: %v, error %v", name, m, err)
			}
			if _, err := p.b.Recv(background); err != io.EOF {
				t.Errorf("%s: error %v, want EOF", name, err)
			}
		}()
		if err := p.a.Send(background, note{Text: "last"}); err != nil {
			t.Fatal(err)
		}
		if err := p.a.Close(); err != nil {
			t.Error(err)
		}
		proctest.Ends(t, done, "Recv returns when its end is closed")
		proctest.Ends(t, received, "the other side gets what was sent, and the end")
		if err := p.a.Send(background, note{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Send of the closed end: error %v", name, err)
		}
	}
}

func TestTypedPoll(t *testing.T) {
	for name, connect := range connections {
		p := newTypedPair(t, connect, TypedOptions{})
		if p.b.Poll(0) {
			t.Errorf("%s: a message of none", name)
		}
		go p.a.Send(background, note{Body: make([]byte, 100<<10)})
		if !p.b.Poll(-1) {
			t.Errorf("%s: no message", name)
		}
		if !p.b.Poll(0) {
			t.Errorf("%s: the message has gone", name)
		}
		if m, err := p.b.Recv(background); err != nil || len(m.Body) != 100<<10 {
			t.Errorf("%s: %d bytes, error %v", name, len(m.Body), err)
		}
		p.a.Close()
		if !p.b.Poll(-1) {
			t.Errorf("%s: no end", name)
		}
	}
}

// A message that has been read is there, however late the look at it comes.
func TestTypedPollThatIsLate(t *testing.T) {
	over, cancel := context.WithCancel(background)
	cancel()
	for name, connect := range connections {
		p := newTypedPair(t, connect, TypedOptions{})
		go p.a.Send(background, note{Text: "there"})
		if !p.b.Poll(-1) {
			t.Fatalf("%s: no message", name)
		}
		for range 100 {
			if !p.b.poll(over) {
				t.Fatalf("%s: the message has gone", name)
			}
		}
	}
}

// roleTyped dials args[0], says what it receives and sends it back, with a key that is args[1].
var roleTyped = proctest.Register("typed", func(args []string) {
	c, err := DialTyped[note, note](background, args[0], TypedOptions{Key: []byte(args[1]), Insecure: true})
	if errors.Is(err, ErrKey) {
		proctest.Say("wrong key")
		return
	}
	proctest.ExitOn(err)
	for {
		m, err := c.Recv(background)
		if err == io.EOF {
			return
		}
		proctest.ExitOn(err)
		proctest.Say("%s", m.Text)
		proctest.ExitOn(c.Send(background, m))
	}
})

// typedAddresses are addresses of all kinds.
func typedAddresses(t *testing.T) map[string]string {
	dir := proctest.Dir(t)
	return map[string]string{"shm": dir + "/typed", "unix": "unix://" + dir + "/socket", "tcp": "tcp://127.0.0.1:0"}
}

// listenTyped listens, and returns the address to dial.
func listenTyped(t *testing.T, address string, o TypedOptions) (*TypedListener[note, note], string) {
	t.Helper()
	l, err := ListenTyped[note, note](address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if strings.HasPrefix(address, "tcp://") {
		address = "tcp://" + l.Addr().String()
	}
	return l, address
}

func TestTypedBetweenProcesses(t *testing.T) {
	for name, address := range typedAddresses(t) {
		t.Run(name, func(t *testing.T) {
			l, at := listenTyped(t, address, TypedOptions{Key: []byte("key"), Insecure: true})
			child := proctest.Start(t, roleTyped, at, "key")
			c, err := l.Accept(background)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(background, note{Text: "hello"}); err != nil {
				t.Fatal(err)
			}
			child.Expect("hello")
			if m, err := c.Recv(background); err != nil || m.Text != "hello" {
				t.Errorf("%v, error %v", m, err)
			}
			c.Close()
			child.WaitOK()
		})
	}
}

func TestTypedWrongKeyBetweenProcesses(t *testing.T) {
	for name, address := range typedAddresses(t) {
		t.Run(name, func(t *testing.T) {
			l, at := listenTyped(t, address, TypedOptions{Key: []byte("key"), Insecure: true})
			child := proctest.Start(t, roleTyped, at, "another")
			if _, err := l.Accept(background); !errors.Is(err, ErrKey) {
				t.Errorf("error %v, want ErrKey", err)
			}
			child.Expect("wrong key")
			child.WaitOK()
			// the listener goes on
			child = proctest.Start(t, roleTyped, at, "key")
			c, err := l.Accept(background)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			child.WaitOK()
		})
	}
}

// The death of the other process ends a Recv at once.
func TestTypedDeath(t *testing.T) {
	for name, address := range typedAddresses(t) {
		t.Run(name, func(t *testing.T) {
			l, at := listenTyped(t, address, TypedOptions{Key: []byte("key"), Insecure: true})
			child := proctest.Start(t, roleTyped, at, "key")
			c, err := l.Accept(background)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Send(background, note{Text: "hello"}); err != nil {
				t.Fatal(err)
			}
			child.Expect("hello")
			if _, err := c.Recv(background); err != nil {
				t.Fatal(err)
			}
			done := proctest.MustBlock(t, func() {
				if m, err := c.Recv(background); err == nil || err == io.EOF {
					t.Errorf("%v, error %v, want that of a death", m, err)
				}
			})
			kill(t, child)
			proctest.Ends(t, done, "Recv returns with the death of the other process")
		})
	}
}

// A side that is silent does not hold up others, and does not hang the handshake.
func TestTypedSilence(t *testing.T) {
	l, at := listenTyped(t, "tcp://127.0.0.1:0", TypedOptions{Key: []byte("key"), Insecure: true})
	silent, err := net.Dial("tcp", strings.TrimPrefix(at, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	child := proctest.Start(t, roleTyped, at, "key")
	c, err := l.Accept(background)
	for errors.Is(err, os.ErrDeadlineExceeded) { // on a slow machine the silent side comes first
		c, err = l.Accept(background)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	child.WaitOK()
}

func TestTypedRefusesInsecureAddresses(t *testing.T) {
	for _, c := range []struct {
		address string
		o       TypedOptions
	}{
		{"tcp://127.0.0.1:0", TypedOptions{}},
		{"tcp://127.0.0.1:0", TypedOptions{Key: []byte("key")}},
		{"tcp://0.0.0.0:0", TypedOptions{Key: []byte("key"), Insecure: true}},
		{"tcp://:0", TypedOptions{Insecure: true}},
	} {
		if _, err := ListenTyped[note, note](c.address, c.o); !errors.Is(err, ErrInsecure) {
			t.Errorf("listen at %s: error %v", c.address, err)
		}
		if _, err := DialTyped[note, note](background, c.address, c.o); !errors.Is(err, ErrInsecure) {
			t.Errorf("dial %s: error %v", c.address, err)
		}
	}
}
