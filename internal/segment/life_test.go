//go:build linux

package segment

import (
	"context"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctest"
)

// life: PATH. It holds the lock of the directory until it hears something.
var roleLife = proctest.Register("life", func(args []string) {
	s := mustOpen(args[0])
	must(s.enter(context.Background()))
	proctest.Say("inside")
	proctest.Hear()
	s.lock.Unlock()
	proctest.Say("outside")
	proctest.Hear()
	must(s.Close())
})

// Two containers with boot ids of their own share a directory: the second to open a segment leaves
// the first one its slot, and its lock.
func TestOtherBootIDTakesNoSlot(t *testing.T) {
	s := fresh(t, small)
	path := s.Path()
	child := proctest.Start(t, roleLife, path)
	child.Expect("inside")
	s.dir.Header().SetBoot([2]uint64{1, 2})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := mustOpen(path)
	defer other.Close()
	if err := other.lock.TryLock(); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("inside together with another container: %v", err)
	}
	child.Send("leave")
	child.Expect("outside")
	if err := other.lock.Lock(bounded(t)); err != nil {
		t.Fatal(err)
	}
	other.lock.Unlock()
	child.Send("close")
	child.WaitOK()
}

// The processes of the original are not in a copy of a live segment: no process waits for them
// there.
func TestCopyOfALiveSegmentHasNoMembers(t *testing.T) {
	s := fresh(t, small)
	child := proctest.Start(t, roleLife, s.Path())
	child.Expect("inside")
	b, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	twin := mustOpen(written(t, b))
	defer twin.Close()
	if n := owners(twin); n != 1 {
		t.Errorf("the copy has %d members, want its opener alone", n)
	}
	if err := twin.lock.TryLock(); err != nil && !errors.Is(err, lock.ErrOwnerDied) {
		t.Errorf("the lock of the copy: %v", err)
	} else {
		twin.lock.TryUnlock()
	}
	if n := owners(s); n != 2 {
		t.Errorf("the original has %d members, want 2", n)
	}
	child.Kill()
}

func owners(s *Segment) (n int) {
	for range s.table.Owners {
		n++
	}
	return n
}

// unlocked: PATH. A process that is refused locks attaches.
var roleUnlocked = proctest.Register("unlocked", func(args []string) {
	s := mustOpen(args[0])
	proctest.Say("attached")
	proctest.Hear()
	must(s.Close())
})

// A process that can hold no lock is not taken for dead because it has none.
func TestProcessWithoutLocksKeepsItsSlot(t *testing.T) {
	s := fresh(t, small)
	path := s.Path()
	child := proctest.Command(t, roleUnlocked, path)
	child.Confine(proctest.RefuseValue(unix.EINVAL, unix.SYS_FCNTL, 1, unix.F_OFD_SETLK))
	child.Start()
	child.Expect("attached")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(path)
	defer s.Close()
	if n := owners(s); n != 2 {
		t.Errorf("%d members, want 2", n)
	}
	child.Send("close")
	child.WaitOK()
}

// Each attachment shares the lock that shows its life, until it ends.
func TestAttachmentHoldsALockOfItsOwn(t *testing.T) {
	s := fresh(t, small)
	f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := again(t, s)
	child := proctest.Start(t, roleLife, s.Path())
	child.Expect("inside")
	for _, end := range []func(){func() { s.Close() }, func() { other.Close() }, func() { child.Kill() }} {
		if alone, err := mapping.TryLockByte(f, lifeByte); alone || err != nil {
			t.Errorf("locked alone beside a member: %t, %v", alone, err)
		}
		end()
	}
	if alone, err := mapping.TryLockByte(f, lifeByte); !alone || err != nil {
		t.Errorf("not alone after the last member has gone: %t, %v", alone, err)
	}
}
