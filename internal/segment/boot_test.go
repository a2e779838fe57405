//go:build linux

package segment

import (
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/proctest"
)

// fromOldBoot is a file as a machine that lost power leaves it: all slots look alive, one of them
// holds the lock of the directory in the middle of a change, every process has everything open, and
// a removed object and a block wait for their owners.
func fromOldBoot(t testing.TB) string {
	t.Helper()
	path := freshPath(t)
	s, err := Create(path, small)
	if err != nil {
		t.Fatal(err)
	}
	var all []*Segment
	for range small.Processes - 1 {
		o, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	made(t, s, "stays", 1000).Payload[0] = 42
	made(t, s, "removed", 5000)
	for _, o := range all {
		made(t, o, "stays", 1000)
		made(t, o, "removed", 5000)
	}
	if err := s.Remove("removed"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Alloc(3000); err != nil {
		t.Fatal(err)
	}
	if err := s.lock.Lock(bounded(t)); err != nil {
		t.Fatal(err)
	}
	h := s.dir.Header()
	h.Changes.Add(1)
	h.Bins = [directory.BinCount]uint64{1, 2, 3}
	h.SetBoot([2]uint64{1, 2})
	b := append([]byte(nil), s.mem...)
	h.Changes.Add(1)
	h.Bins = [directory.BinCount]uint64{}
	s.lock.Unlock()
	for _, o := range append(all, s) {
		o.Close()
	}
	return written(t, b)
}

// recovered fails the test unless the segment is as it must be after fromOldBoot.
func recovered(t testing.TB, s *Segment, attached int) {
	t.Helper()
	o, err := s.Open(rawSpec("stays", 1000))
	if err != nil {
		t.Fatal(err)
	}
	if o.Payload[0] != 42 {
		t.Error("the content is gone")
	}
	if err := s.Reclaim(); err != nil {
		t.Fatal(err)
	}
	if r := checked(t, s); r.Objects != 1 || r.Retired != 0 || r.Blocks != 0 || r.Orphans != 0 {
		t.Errorf("%+v", r)
	}
	n := 0
	s.Table().Owners(func(proctab.Owner) bool { n++; return true })
	if n != attached {
		t.Errorf("%d processes are attached, want %d", n, attached)
	}
}

func TestOpenAfterReboot(t *testing.T) {
	s, err := Open(fromOldBoot(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	recovered(t, s, 1)
	for range small.Processes - 1 {
		again(t, s)
	}
	// The users bits of before the boot must not come to life with the processes that take the
	// slots now.
	if err := s.Remove("stays"); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.leave(0)
	s.mu.Unlock()
	if r := checked(t, s); r.Retired != 0 {
		t.Errorf("%+v: somebody seems to use what nobody has opened since", r)
	}
}

var roleBoot = proctest.Register("boot", func(args []string) {
	proctest.Say("ready")
	proctest.Hear()
	s := mustOpen(args[0])
	proctest.Say("%d", s.Me())
	proctest.Hear()
})

// Several first openers at once, in processes and goroutines: one clears the table, and no process
// loses its slot.
func TestOpenersAfterReboot(t *testing.T) {
	path := fromOldBoot(t)
	var children []*proctest.Child
	for range 4 {
		c := proctest.Start(t, roleBoot, path)
		c.Expect("ready")
		children = append(children, c)
	}
	var wg sync.WaitGroup
	segments := make([]*Segment, 4)
	for _, c := range children {
		c.Send("go")
	}
	for i := range segments {
		wg.Go(func() {
			s, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			segments[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	owners := map[proctab.Owner]bool{}
	for _, c := range children {
		id, err := strconv.ParseUint(c.Line(), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		owners[proctab.Owner(id)] = true
	}
	for _, s := range segments {
		owners[s.Me()] = true
		defer s.Close()
	}
	if len(owners) != 8 {
		t.Errorf("8 openers have %d slots", len(owners))
	}
	for o := range owners {
		if segments[0].Table().Dead(o) {
			t.Errorf("the slot of %d was taken from it", o)
		}
	}
	recovered(t, segments[0], 8)
	for _, c := range children {
		c.Send("end")
		c.WaitOK()
	}
}

// A process that cannot find out about the boot must not take the living for dead.
func TestUnknownBootKeepsTheLiving(t *testing.T) {
	s := fresh(t, small)
	h := s.dir.Header()
	known := h.BootID()
	h.SetBoot([2]uint64{})
	o := again(t, s)
	if o.Table().Dead(s.Me()) {
		t.Error("an opener of a segment whose boot is unknown has cleared the table")
	}
	h.SetBoot(known)
}

// A process that is stopped in the middle of clearing the table delays an opener, with an error in
// the end.
func TestOpenWaitsForTheFirstOpener(t *testing.T) {
	path := fromOldBoot(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ok, err := mapping.TryLockByte(f, lifeByte); !ok || err != nil {
		t.Fatal(ok, err)
	}
	opened := make(chan *Segment, 1)
	done := proctest.MustBlock(t, func() {
		s, err := Open(path)
		if err != nil {
			t.Error(err)
		}
		opened <- s
	})
	if err := mapping.UnlockByte(f, lifeByte); err != nil {
		t.Fatal(err)
	}
	s := <-opened
	<-done
	defer s.Close()
	recovered(t, s, 1)

	s.SetPatience(blink, blink) //clock: the time-out is the subject
	if ok, err := mapping.TryLockByte(f, unlinkByte); !ok || err != nil {
		t.Fatal(ok, err)
	}
	wantError(t, s.Unlink(), lock.ErrLocked, path, "byte 129", "stopped")
}

// A process that was alone, and has gone before it cleared the table, leaves that to an opener that
// was just about to share the lock.
func TestOpenerClearsWhenTheFirstHasGone(t *testing.T) {
	for range 50 {
		path := fromOldBoot(t)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := mapping.TryLockByte(f, lifeByte); !ok || err != nil {
			t.Fatal(ok, err)
		}
		stop := make(chan struct{})
		go func() { // it comes and goes
			defer f.Close()
			for {
				select {
				case <-stop:
					return
				default:
					mapping.UnlockByte(f, lifeByte)
					mapping.TryLockByte(f, lifeByte)
				}
			}
		}()
		s, err := Open(path)
		close(stop)
		if err != nil {
			t.Fatal(err)
		}
		recovered(t, s, 1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
