package pipe

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleMute listens at args[0] and never accepts.
var roleMute = proctest.Register("listen-mute", func(args []string) {
	l, err := Listen(args[0], ListenOptions{Backlog: 1})
	proctest.ExitOn(err)
	proctest.Say("listening")
	proctest.Hear()
	l.Close()
	proctest.Say("closed")
	proctest.Hear()
})

// Without a listener Dial fails at once, whatever is there instead.
func TestDialRefused(t *testing.T) {
	path := proctest.Dir(t) + "/listener"
	refused := func() {
		t.Helper()
		_, err := Dial(background, path, DialOptions{})
		wantErr(t, err, syscall.ECONNREFUSED)
	}
	refused()
	l, err := Listen(path, ListenOptions{})
	wantErr(t, err, nil)
	_, err = Listen(path, ListenOptions{})
	wantErr(t, err, syscall.EADDRINUSE)
	wantErr(t, l.Close(), nil)
	wantErr(t, l.Close(), nil)
	refused()
	_, err = l.Accept()
	wantErr(t, err, net.ErrClosed)

	child := proctest.Start(t, roleMute, path)
	child.Expect("listening")
	_, err = Listen(path, ListenOptions{})
	wantErr(t, err, syscall.EADDRINUSE)
	kill(t, child)
	refused()
	l, err = Listen(path, ListenOptions{})
	wantErr(t, err, nil)
	go serveEcho(l)
	echoes(t, dial(t, path), "after a dead one")
	l.Close()
}

// What ends the wait of a dialer that is not accepted, with room in the backlog and without.
func TestDialWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(child *proctest.Child, cancel context.CancelFunc)
		want error
	}{
		"death":  {func(child *proctest.Child, _ context.CancelFunc) { child.Kill() }, syscall.ECONNREFUSED},
		"close":  {func(child *proctest.Child, _ context.CancelFunc) { child.Send("close"); child.Expect("closed") }, syscall.ECONNREFUSED},
		"cancel": {func(_ *proctest.Child, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			path := proctest.Dir(t) + "/listener"
			child := proctest.Start(t, roleMute, path)
			child.Expect("listening")
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			errs := make(chan error, 3)
			for range cap(errs) { // one is in the backlog, the others wait for room
				go func() {
					_, err := Dial(ctx, path, DialOptions{})
					errs <- err
				}()
			}
			proctest.Blocked(t, errs)
			c.end(child, cancel)
			for range cap(errs) {
				wantErr(t, proctest.Ends(t, errs, "a dialer still waits"), c.want)
			}
			if name != "death" {
				child.Kill()
			}
		})
	}
}
