package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// selectOf is a Select of what typed connections receive.
func selectOf(t *testing.T, conns ...*TypedConn[note, note]) *shmsync.Select {
	t.Helper()
	var sources []shmsync.Source
	for _, c := range conns {
		sources = append(sources, c.Recvs())
	}
	s := shmsync.NewSelect(sources...)
	t.Cleanup(func() { s.Close() })
	return s
}

// Select is ready with a whole message, not with its first piece, whatever the connection is.
func TestTypedSelect(t *testing.T) {
	for name, connect := range connections {
		t.Run(name, func(t *testing.T) {
			var pairs []typedPair
			for range 3 {
				pairs = append(pairs, newTypedPair(t, connect, TypedOptions{}))
			}
			sel := selectOf(t, pairs[0].b, pairs[1].b, pairs[2].b)
			if i, ok := sel.Try(); ok {
				t.Fatalf("source %d is ready", i)
			}
			for i := range 30 {
				from := i % len(pairs)
				n := 10
				if i%4 == 0 {
					n = 300 << 10
				}
				go pairs[from].a.Send(background, note{Any: int64(i), Body: make([]byte, n)})
				got, err := sel.Wait(background)
				if err != nil || got != from {
					t.Fatalf("round %d: source %d, error %v, want %d", i, got, err, from)
				}
				if again, ok := sel.Try(); again != from || !ok {
					t.Fatalf("round %d: source %d, %v, want %d until it is received", i, again, ok, from)
				}
				m, err := pairs[got].b.Recv(background)
				if err != nil || m.Any != int64(i) || len(m.Body) != n {
					t.Fatalf("round %d: message %v with %d bytes, error %v", i, m.Any, len(m.Body), err)
				}
			}
			go pairs[1].a.Close()
			if got, err := sel.Wait(background); err != nil || got != 1 {
				t.Fatalf("source %d, error %v, want that of the closed end", got, err)
			}
			if _, err := pairs[1].b.Recv(background); err != io.EOF {
				t.Errorf("error %v, want EOF", err)
			}
			sel.Set(1, shmsync.Source{})
			go pairs[2].b.Close() // its own end
			if got, err := sel.Wait(background); (err != nil || got != 2) && !errors.Is(err, shmsync.ErrClosed) {
				t.Errorf("source %d, error %v, want that of the end which was closed", got, err)
			}
		})
	}
}

// Several goroutines take what one connection receives, some by a Select and some by Recv: each
// message is taken once, and none of them sleeps on while there are messages.
func TestTypedSelectsBesideRecvs(t *testing.T) {
	const messages, takers = 300, 4
	for name, connect := range connections {
		t.Run(name, func(t *testing.T) {
			p := newTypedPair(t, connect, TypedOptions{})
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			taken := make(chan int64)
			var takes, sending sync.WaitGroup
			for i := range takers {
				takes.Go(func() {
					sel := selectOf(t, p.b)
					for {
						if i%2 == 0 {
							if _, err := sel.Wait(ctx); err != nil {
								return
							}
						}
						m, err := p.b.Recv(ctx)
						if err != nil {
							return
						}
						taken <- m.Any.(int64)
					}
				})
			}
			sending.Go(func() {
				for i := range int64(messages) {
					if err := p.a.Send(background, note{Any: i}); err != nil {
						t.Error(err)
					}
				}
			})
			seen := map[int64]bool{}
			for range messages {
				n := proctest.Ends(t, taken, "a message is taken")
				if seen[n] {
					t.Errorf("message %d is taken twice", n)
				}
				seen[n] = true
			}
			sending.Wait() // a message has come before its Send returns
			cancel()
			takes.Wait()
		})
	}
}

// One Select waits for processes that have connected by shared memory, by unix sockets and by TCP,
// and sees the death of each.
func TestTypedSelectOfProcesses(t *testing.T) {
	var conns []*TypedConn[note, note]
	var children []*proctest.Child
	for _, address := range typedAddresses(t) {
		l, at := listenTyped(t, address, TypedOptions{Key: []byte("key"), Insecure: true})
		children = append(children, proctest.Start(t, roleTyped, at, "key"))
		c, err := l.Accept(background)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	sel := selectOf(t, conns...)
	for round := range 10 {
		for i, c := range conns {
			text := fmt.Sprintf("round %d of %d", round, i)
			if err := c.Send(background, note{Text: text}); err != nil {
				t.Fatal(err)
			}
			children[i].Expect(text)
			if got, err := sel.Wait(background); got != i || err != nil {
				t.Fatalf("source %d, error %v, want %d", got, err, i)
			}
			if m, err := c.Recv(background); err != nil || m.Text != text {
				t.Fatalf("%q, error %v, want %q", m.Text, err, text)
			}
		}
	}
	for i, child := range children {
		woken := make(chan int, 1)
		go func() {
			got, err := sel.Wait(background)
			if err != nil {
				t.Error(err)
			}
			woken <- got
		}()
		kill(t, child)
		if got := proctest.Ends(t, woken, "the Select sees a death"); got != i {
			t.Fatalf("source %d, want %d", got, i)
		}
		if m, err := conns[i].Recv(background); err == nil || err == io.EOF {
			t.Errorf("%v, error %v, want that of a death", m, err)
		}
		sel.Set(i, shmsync.Source{})
	}
}
