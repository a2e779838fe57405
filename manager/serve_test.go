package manager

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// serve makes this process a manager, and connects to it.
func serve(t *testing.T, o Options) (*Server, *Manager) {
	t.Helper()
	name := proctest.Dir(t) + "/manager"
	l, err := Listen(name, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(background, l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		proctest.Ends(t, s.Done(), "the server ends")
	})
	m, err := Dial(background, name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return s, m
}

// only returns the one desk of a server in this process.
func only(t *testing.T, s *Server) *desk {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		return o.value.(*desk)
	}
	t.Fatal("no desk")
	return nil
}

// takesNone reports whether no session of a server takes new requests.
func takesNone(s *Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.sessions {
		e.mu.Lock()
		farewell := e.farewell
		e.mu.Unlock()
		if !farewell {
			return false
		}
	}
	return true
}

// Close lets calls finish, takes no new ones, and closes the objects, the youngest first.
func TestServerClose(t *testing.T) {
	closedMu.Lock()
	closedDesks = nil
	closedMu.Unlock()
	s, m := serve(t, Options{})
	d := newDesk(t, m, "close 1")
	inner := only(t, s)
	newDesk(t, m, "close 2")
	newDesk(t, m, "close 3")
	type outcome struct {
		n   int64
		err error
	}
	called := make(chan outcome, 1)
	go func() {
		n, err := Block.Call(background, d, 2)
		called <- outcome{n, err}
	}()
	proctest.Eventually(t, proctest.Hang, func() bool {
		list := s.list()
		return list[0].References == 2
	}, "the call runs")
	done := proctest.MustBlock(t, func() {
		if err := s.Close(background); err != nil {
			t.Error(err)
		}
	})
	proctest.Eventually(t, proctest.Hang, func() bool { return takesNone(s) }, "Close has begun")
	if _, err := Desk.New(background, m, nil); err == nil {
		t.Error("the server has taken a new object")
	}
	close(inner.gate)
	if got := proctest.Ends(t, called, "the call ends"); got.n != 2 || got.err != nil {
		t.Errorf("%d, error %v", got.n, got.err)
	}
	proctest.Ends(t, done, "Close returns")
	closedMu.Lock()
	defer closedMu.Unlock()
	if !slices.Equal(closedDesks, []string{"close 3", "close 2", "close 1"}) {
		t.Errorf("closed %q", closedDesks)
	}
}

// Close whose context ends leaves the calls that run.
func TestServerCloseEndsWithContext(t *testing.T) {
	s, m := serve(t, Options{})
	d := newDesk(t, m)
	called := make(chan error, 1)
	go func() {
		_, err := Block.Call(background, d, 1)
		called <- err
	}()
	hasNote(t, d, "block")
	ctx, cancel := context.WithCancel(background)
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := proctest.Ends(t, called, "the call ends"); err == nil {
		t.Error("no error of the call")
	}
	proctest.Ends(t, s.Done(), "the server ends")
}
