//go:build linux

package segment

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

var roleHold = proctest.Register("unused: hold", func(args []string) {
	s := opened(OpenOrCreate(args[0], small))
	proctest.Say("open")
	proctest.Hear()
	s.Close()
	proctest.Say("closed")
	proctest.Hear()
})

func opened(s *Segment, _ bool, err error) *Segment {
	must(err)
	return s
}

func TestRemoveUnused(t *testing.T) {
	path := freshPath(t)
	if err := RemoveUnused(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing segment: %v", err)
	}
	c := proctest.Start(t, roleHold, path)
	c.Expect("open")
	if err := RemoveUnused(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a segment that is open: %v", err)
	}
	c.Signal(syscall.SIGSTOP)
	if err := RemoveUnused(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a segment of a stopped process: %v", err)
	}
	c.Signal(syscall.SIGCONT)
	c.Send("close")
	c.Expect("closed")
	if err := RemoveUnused(path); err != nil {
		t.Errorf("a closed segment: %v", err)
	}
	c.Send("end")
	c.WaitOK()

	c = proctest.Start(t, roleHold, path)
	c.Expect("open")
	c.Kill()
	if err := RemoveUnused(path); err != nil {
		t.Errorf("a segment of a dead process: %v", err)
	}
	must(os.WriteFile(path, []byte("no segment, but a text"), 0o600))
	if err := RemoveUnused(path); !errors.Is(err, ErrFormat) {
		t.Errorf("a text: %v", err)
	}
	must(os.WriteFile(path, []byte("\x89shmkit1, and no more"), 0o600))
	if err := RemoveUnused(path); err != nil {
		t.Errorf("what is left of a segment: %v", err)
	}
}

// roleComeAndGo opens or makes the segment again and again. While it has it open no other process
// takes its name away, as none here removes what is used.
var roleComeAndGo = proctest.Register("unused: come and go", func(args []string) {
	end := make(chan struct{})
	go func() {
		proctest.Hear()
		close(end)
	}()
	proctest.Say("ready")
	for {
		s := opened(OpenOrCreate(args[0], small))
		must(s.CheckNamed())
		_, _, err := s.New(Spec{Name: "object", Kind: KindRawValue, Type: "<i", Size: 4})
		must(err)
		must(s.CheckNamed())
		s.Close()
		select {
		case <-end:
			return
		default:
			proctest.Stagger(time.Millisecond)
		}
	}
})

// A segment is removed while others open, make, close and die: never one that is open.
func TestRemoveUnusedRaces(t *testing.T) {
	path := freshPath(t)
	removals := 100
	if os.Getenv("SHMKIT_LONG") != "" {
		removals = 10000
	}
	children := make([]*proctest.Child, 3)
	start := func(i int) {
		children[i] = proctest.Start(t, roleComeAndGo, path)
		children[i].Expect("ready")
	}
	for i := range children {
		start(i)
	}
	removed, used := 0, 0
	for removed < removals {
		switch err := RemoveUnused(path); {
		case err == nil:
			if removed++; removed%20 == 0 { // one is killed at whatever it does
				i := removed / 20 % len(children)
				children[i].Kill()
				start(i)
			}
		case errors.Is(err, ErrInUse):
			used++
		case !errors.Is(err, fs.ErrNotExist):
			t.Fatal(err)
		}
		for _, c := range children {
			if c.Ended() {
				t.Fatalf("a process has ended: %s", c.Stderr())
			}
		}
	}
	t.Logf("%d removed, %d times refused", removed, used)
	for _, c := range children {
		c.Send("end")
		c.WaitOK()
	}
}
