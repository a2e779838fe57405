package manager

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/handshake"
	"github.com/shmkit/shmkit/internal/proctest"
)

// Filled is how many results Fill has made in this process.
var Filled = Method(Desk, "filled", func(*desk, context.Context, struct{}) (int64, error) { return filled.Load(), nil })

// Fill makes a result of so many bytes.
var Fill = Method(Desk, "fill", func(_ *desk, _ context.Context, n int64) ([]byte, error) {
	filled.Add(1)
	return make([]byte, n), nil
})

var filled atomic.Int64

// dialRaw connects to a manager by a unix socket without a client.
func dialRaw(t *testing.T, address string) (net.Conn, *frame.Reader, welcome) {
	t.Helper()
	conn, err := net.Dial("unix", strings.TrimPrefix(address, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := handshake.New(nil).Do(background, conn); err != nil {
		t.Fatal(err)
	}
	l := &link{conn: conn, r: frame.NewReader(conn), max: defaultMax}
	if err := l.readWelcome(); err != nil {
		t.Fatal(err)
	}
	return conn, l.r, l.server
}

// The results of a client that does not read them are back-pressure and not memory: the manager
// makes as many as it runs at once, and those that the socket holds, and no more, however much that
// is; and all of them arrive when the client reads in the end.
func TestSlowReaderIsBackPressure(t *testing.T) {
	const calls, size, concurrent = 4000, 64 << 10, 16 // 256 MB of results
	m := start(t, Options{Name: "unix://" + proctest.Dir(t) + "/socket", Concurrent: concurrent})
	d := newDesk(t, m)
	conn, r, server := dialRaw(t, m.Address())
	name := append([]byte{0, 4}, "desk\x80"...) // opens a desk without notes
	if _, err := conn.Write(frameOf(byte(kindNew), 0, 0, 1, 0, 0, name)); err != nil {
		t.Fatal(err)
	}
	h, _, err := r.Next()
	if err != nil || h.Flags&flagRef == 0 {
		t.Fatalf("%+v, error %v", h, err)
	}
	object := h.Object
	written := make(chan error, 1)
	go func() {
		arg := binary.LittleEndian.AppendUint64(nil, size)
		for i := range uint64(calls) {
			call := frameOf(byte(kindCall), flagDetach, uint16(Fill.m.number), 2+i, object, server.Incarnation, arg)
			if _, err := conn.Write(call); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	made := func() int64 {
		n, err := Filled.Call(background, d, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	proctest.Eventually(t, proctest.Hang, func() bool { return made() >= concurrent }, "as many calls run as can")
	for same, last := 0, int64(0); same < 300; same++ { // the manager goes on for others
		n := made()
		if n > calls/2 {
			t.Fatalf("%d results were made for a client that reads none", n)
		}
		if n != last {
			same, last = 0, n
		}
	}
	for range calls {
		n := 0
		for {
			h, payload, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if h.Kind == kindError {
				t.Fatal(new(link).errorFrom("fill", payload))
			}
			if n += len(payload); h.Kind == kindResult {
				break
			}
		}
		if n != size {
			t.Fatalf("a result of %d bytes", n)
		}
	}
	if err := proctest.Ends(t, written, "all calls are sent"); err != nil {
		t.Error(err)
	}
	if n := made(); n != calls {
		t.Errorf("%d results for %d calls", n, calls)
	}
}

// Calls with large arguments and results do not hold up small ones of the same connection: many of
// them begin and end while one large call is under way.
func TestLargeCallsDoNotHoldUpSmallOnes(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, start(t, o))
			large := bytes.Repeat([]byte{7}, 16<<20)
			// where they are held up there are never so many
			proctest.Eventually(t, proctest.Hang, func() bool {
				var ended atomic.Bool
				done := make(chan error, 1)
				go func() {
					got, err := Echo.Call(background, d, large)
					ended.Store(true)
					if err == nil && !bytes.Equal(got, large) {
						t.Error("the bytes have changed")
					}
					done <- err
				}()
				small := 0
				for !ended.Load() {
					if n, err := Add.Call(background, d, 1); err != nil || n != 2 {
						t.Fatalf("%d, error %v", n, err)
					}
					small++
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				return small >= 10
			}, "10 small calls while a large one is under way")
		})
	}
}

// A side that connects and says nothing holds up none of the others, and its connection ends.
func TestSilentConnection(t *testing.T) {
	name := "unix://" + proctest.Dir(t) + "/socket"
	m := start(t, Options{Name: name})
	silent, err := net.Dial("unix", strings.TrimPrefix(name, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if n, err := Add.Call(background, newDesk(t, m), 1); err != nil || n != 2 {
		t.Errorf("%d, error %v", n, err)
	}
	done := make(chan error, 1)
	go func() {
		for b := make([]byte, 100); ; {
			if _, err := silent.Read(b); err != nil {
				done <- err
				return
			}
		}
	}()
	proctest.Ends(t, done, "the manager closes a connection without a greeting")
}
