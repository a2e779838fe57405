//go:build linux

package shm_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// roleVisitor opens what it is told the name of, in the segment args[0], touches it, and forgets
// it. Its collector runs by itself never.
var roleVisitor = proctest.Register("visitor", func(args []string) {
	seg := need(shm.Open(args[0]))
	for name := proctest.Hear(); name != ""; name = proctest.Hear() {
		a := need(shm.OpenRawArray[byte](seg, name))
		a.Set(a.Len()-1, 1)
		proctest.Say("seen")
	}
	runtime.KeepAlive(seg)
})

// Objects that come and go between two processes never fill the segment: neither its memory nor its
// directory, although each process has handles that its collector has not run over.
func TestObjectsComeAndGo(t *testing.T) {
	small := 10_000
	if testing.Short() {
		small = 600
	}
	for _, c := range []struct{ count, bytes int }{{60, 1 << 20}, {small, 100}} {
		seg := newSegment(t, shm.Options{Size: 8 << 20, Objects: 64, Processes: 16})
		child := proctest.Start(t, roleVisitor, seg.Path())
		for i := range c.count {
			name := fmt.Sprint("object ", i)
			a, err := shm.NewRawArray[byte](seg, name, c.bytes)
			if err != nil {
				t.Fatalf("object %d of %d bytes: %v", i, c.bytes, err)
			}
			child.Send(name)
			child.Expect("seen")
			if a.At(c.bytes-1) != 1 {
				t.Errorf("object %d is another one", i)
			}
			wantOK(t, seg.RemoveObject(name))
		}
		child.Send("")
		child.WaitOK()
	}
}

// A process that has nothing to do gives back what was removed, when it hears of that.
func TestIdleProcessGivesBack(t *testing.T) {
	seg := newSegment(t, small)
	child := proctest.Start(t, roleVisitor, seg.Path())
	for range 3 {
		a := need(shm.NewRawArray[byte](seg, "a", 1000))
		child.Send("a")
		child.Expect("seen")
		wantOK(t, seg.RemoveObject("a"))
		wantOK(t, a.Detach())
		proctest.Eventually(t, time.Minute, func() bool {
			r, err := segment.Of(seg).Check()
			wantOK(t, err)
			return r.Retired == 0
		}, "the memory is free")
	}
	child.Send("")
	child.WaitOK()
}

// roleGuest makes a handle of what it hears, and forgets or detaches it as args[0] says.
var roleGuest = proctest.Register("guest", func(args []string) {
	a := new(shm.RawArray[byte])
	must(a.UnmarshalBinary(need(hex.DecodeString(proctest.Hear()))))
	a.Set(0, 1)
	if args[0] == "detach" {
		must(a.Detach())
	}
	a = nil
	proctest.Say("seen")
	proctest.Hear()
})

// A process that has a segment attached because of a handle lets go of it with the handle, at once
// when that is detached, and else when all others have left the segment.
func TestGuestsLeave(t *testing.T) {
	for _, how := range []string{"detach", "forget"} {
		child := proctest.Start(t, roleGuest, how)
		attached := func() bool {
			maps := need(os.ReadFile(fmt.Sprintf("/proc/%d/maps", child.PID())))
			return strings.Contains(string(maps), "/memfd:shmkit (deleted)")
		}
		seg := need(shm.Anonymous(small))
		a := need(shm.NewRawArray[byte](seg, "a", 1000))
		child.Send(hex.EncodeToString(need(a.MarshalBinary())))
		child.Expect("seen")
		if how == "detach" && attached() {
			t.Error("attached after Detach")
		}
		wantOK(t, seg.Close())
		proctest.Eventually(t, time.Minute, func() bool { return !attached() }, how+": the segment is gone")
		child.Send("")
		child.WaitOK()
	}
}
