package pipe

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// roleDial dials args[0] and says how it went.
var roleDial = proctest.Register("dial", func(args []string) {
	proctest.Say("dialing")
	c, err := Dial(background, args[0], DialOptions{})
	proctest.ExitOn(err)
	proctest.Say("connected")
	proctest.Hear()
	c.Close()
})

// Dialers that die at any time leave nothing that holds up others, and the listener removes what
// they left.
func TestDialerDies(t *testing.T) {
	l, path := newListener(t, ListenOptions{Backlog: 4})
	for range 3 {
		child := proctest.Start(t, roleDial, path)
		child.Expect("dialing")
		proctest.Eventually(t, proctest.Hang, func() bool { return l.(*listener).backlog.Len() > 0 }, "it has offered its pipe")
		kill(t, child)
	}
	served := make(chan error, 1)
	go func() { served <- serveEcho(l) }()
	echoes(t, dial(t, path), "next")
	l.(*listener).sweep()
	for name := range l.(*listener).a.seg.Objects() {
		if name != listenerName && name != backlogName {
			t.Errorf("%s is left", name)
		}
	}
	l.Close()
	for c := range attachmentsOf(path) {
		t.Errorf("attached to %s still", c)
	}
}

// attachmentsOf yields the places where Dial and Listen would find an attachment to path.
func attachmentsOf(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		attachmentsMu.Lock()
		defer attachmentsMu.Unlock()
		if a := attachments[placeOf(path)]; a != nil {
			yield(a.place)
		}
	}
}

// Accepted or not, connections that are over leave nothing: no object, and no memory.
func TestDialsLeaveNothing(t *testing.T) {
	n := 2000
	switch {
	case long:
		n = 10_000
	case testing.Short():
		n = 500
	}
	path := proctest.Dir(t) + "/listener"
	child := proctest.Start(t, roleServe, path)
	child.Expect("listening")
	c := dial(t, path)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range n / 4 {
				c, err := Dial(background, path, DialOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				echoes(t, c, "x")
				c.Close()
			}
		})
	}
	all.Wait()
	seg := c.(*Conn).p.o.Seg
	proctest.Eventually(t, proctest.Hang, func() bool {
		objects := 0
		seg.Names(func(string, segment.Kind) bool { objects++; return true })
		return objects == 2
	}, "the others close, and two objects are left")
	info, err := os.Stat(path)
	wantErr(t, err, nil)
	if real := info.Sys().(*syscall.Stat_t).Blocks * 512; real > 32<<20 {
		t.Errorf("%d dials took %d bytes", n, real)
	}
	wantErr(t, reopen(t, path).Check(), nil)
	c.Close()
	child.Send("close")
	child.Expect("closed")
	child.WaitOK()
}
