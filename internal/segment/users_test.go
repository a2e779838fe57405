//go:build linux

package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctest"
)

// settles waits until cond holds, with garbage collections in between.
func settles(t testing.TB, cond func() bool, message string) {
	t.Helper()
	proctest.Eventually(t, proctest.Hang, func() bool {
		runtime.GC()
		return cond()
	}, message)
}

// retired is the number of removed objects that cannot be recycled.
func retired(t testing.TB, s *Segment) int { return checked(t, s).Retired }

// fill puts b into every byte.
func fill(mem []byte, b byte) { copy(mem, bytes.Repeat([]byte{b}, len(mem))) }

// mustStay fails the test if new objects of that size come to lie where mem is.
func mustStay(t *testing.T, s *Segment, mem []byte) {
	t.Helper()
	fill(mem, 0xaa)
	for i := range 3 {
		fill(made(t, s, fmt.Sprint("new", i), int64(len(mem))).Payload, 0x55)
	}
	for i, b := range mem {
		if b != 0xaa {
			t.Fatalf("byte %d is %#x: the memory was reused while somebody had it open", i, b)
		}
	}
	for i := range 3 {
		if err := s.Remove(fmt.Sprint("new", i)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRemoveWhileThisProcessHasItOpen(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 5000)
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(rawSpec("a", 5000)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open after remove: %v", err)
	}
	if err := s.Remove("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("second remove: %v", err)
	}
	successor := made(t, s, "a", 5000)
	if &successor.Payload[0] == &o.Payload[0] {
		t.Fatal("the successor has the same memory")
	}
	mustStay(t, s, o.Payload)
	runtime.KeepAlive(o)
	o = nil
	settles(t, func() bool { return retired(t, s) == 0 }, "the memory comes back when the last handle has gone")
}

// What is opened again while its last handle is being collected stays open.
func TestReopenWhileDropped(t *testing.T) {
	s := fresh(t, small)
	for i := range 200 {
		name := fmt.Sprint(i % 3)
		made(t, s, name, 100)
		if i%5 == 0 {
			go runtime.GC()
		}
		again := made(t, s, name, 100)
		s.mu.Lock()
		if !s.myBit(again.index).IsSet() {
			t.Fatal("it is open, but its bit is not set")
		}
		s.mu.Unlock()
		runtime.KeepAlive(again)
	}
	settles(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.objects.open) == 0 && len(s.objects.entries) == 0
	}, "the registry empties")
	for i := range s.dir.UsedEntries() {
		if s.dir.Used(i) {
			t.Errorf("entry %d still counts as used", i)
		}
	}
}

var roleUser = proctest.Register("user", func(args []string) {
	s := mustOpen(args[0])
	o, err := s.Open(rawSpec("a", AnySize))
	must(err)
	proctest.Say("open")
	for {
		switch proctest.Hear() {
		case "look":
			proctest.Say("%x", o.Payload[len(o.Payload)-1])
		case "drop":
			runtime.KeepAlive(o)
			o = nil
			for range 3 {
				runtime.GC()
				proctest.Stagger(2 * time.Millisecond) // nothing tells when cleanups have run
			}
			proctest.Say("dropped")
		case "close":
			must(s.Close())
			proctest.Say("closed")
		case "exit":
			return
		}
	}
})

// However another process lets go of an object, its memory comes back, and not before.
func TestRemoveWhileAnotherProcessHasItOpen(t *testing.T) {
	for _, end := range []string{"drop", "close", "exit", "kill"} {
		t.Run(end, func(t *testing.T) {
			s := fresh(t, small)
			made(t, s, "a", 5000)
			c := proctest.Start(t, roleUser, s.Path())
			c.Expect("open")
			if err := s.Remove("a"); err != nil {
				t.Fatal(err)
			}
			settles(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.objects.open) == 0 }, "our own handle goes")
			if retired(t, s) != 1 {
				t.Fatal("the memory was taken from the other process")
			}
			mem := s.mem[s.dir.Entry(0).Block+uint64(s.dir.Entry(0).Payload):][:5000]
			mustStay(t, s, mem)
			c.Send("look")
			c.Expect("aa")
			switch end {
			case "kill":
				c.Kill()
			case "exit":
				c.Send("exit")
				c.WaitOK()
			default:
				c.Send(end)
				c.Line()
				defer func() { c.Send("exit"); c.WaitOK() }()
			}
			settles(t, func() bool { return retired(t, s) == 0 }, "the memory comes back")
		})
	}
}

// The slot of a killed process goes to another one, which does not inherit what its predecessor had
// open.
func TestSlotOfTheDeadIsClean(t *testing.T) {
	s := fresh(t, Config{Size: 1 << 18, Objects: 64, Processes: 2})
	made(t, s, "a", 5000)
	c := proctest.Start(t, roleUser, s.Path())
	c.Expect("open")
	c.Kill()
	successor := again(t, s)
	if successor.Me().Slot() == s.Me().Slot() {
		t.Fatal("one slot for two")
	}
	if successor.myBit(0).IsSet() {
		t.Error("the bit of the dead process is still set")
	}
}

// A full segment looks for handles that nothing can reach any more before it gives up.
func TestFullSegmentCollectsHandles(t *testing.T) {
	s := fresh(t, Config{Size: 1 << 19, Objects: 64, Processes: 2})
	n := int64(s.geo.Size-s.geo.Heap) * 3 / 5
	for i := range 20 { // each fits only when the one before has gone
		made(t, s, fmt.Sprint(i), n)
		if err := s.Remove(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	o := made(t, s, "kept", n)
	if err := s.Remove("kept"); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.New(rawSpec("more", n))
	var full *mapping.NoSpaceError
	if !errors.As(err, &full) || full.Need < n || full.Free > int64(s.geo.Size-s.geo.Heap)-n || full.Free <= 0 {
		t.Errorf("%v, %+v", err, full)
	}
	wantError(t, err, err, s.Path(), `"more"`, fmt.Sprint(full.Need), fmt.Sprint(full.Free), "make it larger")
	if _, _, err := s.Alloc(int(n)); !directory.LacksRoom(err) {
		t.Error(err)
	}
	runtime.KeepAlive(o)
}

var roleBlocks = proctest.Register("blocks", func(args []string) {
	s := mustOpen(args[0])
	n, err := strconv.Atoi(args[1])
	must(err)
	for {
		if _, _, err := s.Alloc(n); err != nil {
			if !directory.LacksRoom(err) {
				panic(err)
			}
			break
		}
	}
	proctest.Say("full")
	proctest.Hear()
})

// The blocks of a killed process are free for others as soon as those need them.
func TestBlocksOfTheDead(t *testing.T) {
	s := fresh(t, small)
	c := proctest.Start(t, roleBlocks, s.Path(), "3000")
	c.Expect("full")
	if _, _, err := s.Alloc(10000); !directory.LacksRoom(err) {
		t.Fatalf("allocated in a full segment: %v", err)
	}
	if r := checked(t, s); r.Blocks < 10 || r.Orphans != 0 {
		t.Errorf("%+v", r)
	}
	c.Kill()
	if r := checked(t, s); r.Blocks != 0 || r.Orphans < 10 {
		t.Errorf("after the death: %+v", r)
	}
	off, _, err := s.Alloc(10000)
	if err != nil {
		t.Fatal(err)
	}
	if r := checked(t, s); r.Blocks != 1 || r.Orphans != 0 {
		t.Errorf("after the next allocation: %+v", r)
	}
	if err := s.Free(off); err != nil {
		t.Fatal(err)
	}
}

func TestBlockArguments(t *testing.T) {
	s := fresh(t, small)
	_, _, err := s.Alloc(-1)
	wantError(t, err, fs.ErrInvalid, s.Path(), "block of -1 bytes")
	if _, _, err := s.Alloc(1 << 62); !directory.LacksRoom(err) {
		t.Error(err)
	}
	off, mem, err := s.Alloc(0)
	if err != nil || len(mem) != 0 {
		t.Fatal(mem, err)
	}
	for _, bad := range []uint64{0, 1, 31, off - 1, off + 1, off + 64, s.geo.Heap, s.geo.Size, s.geo.Size + 64, 1 << 63, ^uint64(0)} {
		if bad == off {
			continue
		}
		wantError(t, s.Free(bad), ErrCorrupt, s.Path())
		wantError(t, s.Give(bad, s.Me(), 0), ErrCorrupt, s.Path())
		wantError(t, s.FreeGiven(bad, 0), ErrCorrupt, s.Path())
		_, err := s.Bytes(bad, 1)
		wantError(t, err, ErrCorrupt, s.Path())
	}
	for _, n := range []int{-1, 33, 1 << 62} {
		_, err := s.Bytes(off, n)
		wantError(t, err, ErrCorrupt, s.Path())
	}
	if err := s.Give(off, s.Me(), 7); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.FreeGiven(off, 8), ErrCorrupt, s.Path()) // given for something else
	wantError(t, s.Free(off), ErrCorrupt, s.Path())
	if err := s.FreeGiven(off, 7); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, err := range []error{s.Free(off), func() error { _, _, err := s.Alloc(1); return err }(), s.Reclaim()} {
		wantError(t, err, lock.ErrClosed, s.Path())
	}
}
