package queue

import (
	"encoding/hex"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// A61: opening what does not exist, making what does, and what does not fit.
func TestSPSCOpenAndMake(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := OpenSPSC[int32](seg, "q", Options{})
	wantErr(t, err, fs.ErrNotExist)
	q, err := NewSPSC[int32](seg, "q", 3, Options{})
	wantErr(t, err, nil)
	wantErr(t, q.TryPut(1), nil)
	again, err := NewSPSC[int32](seg, "q", 4, Options{}) // is the same
	wantErr(t, err, nil)
	if again.Name() != "q" || again.Cap() != 4 || again.Len() != 1 {
		t.Errorf("%q with capacity %d and %d messages", again.Name(), again.Cap(), again.Len())
	}
	for want, open := range map[string]func() error{
		"its capacity is 4 messages, not 8": func() error { _, err := NewSPSC[int32](seg, "q", 5, Options{}); return err },
		"int32":                             func() error { _, err := NewSPSC[uint32](seg, "q", 4, Options{}); return err },
		"SPSC, not Queue":                   func() error { _, err := NewQueue[int32](seg, "q", 4, Options{}); return err },
	} {
		err := open()
		wantErr(t, err, shm.ErrMismatch)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want %q in it", err, want)
		}
	}
	for _, capacity := range []int{0, -1, ring.MaxCapacity + 1} {
		_, err := NewSPSC[int32](seg, "bad", capacity, Options{})
		wantErr(t, err, fs.ErrInvalid)
	}
}

// roleSPSCEcho puts what it gets from the queue of the handle args[0] into that of args[1].
var roleSPSCEcho = proctest.Register("spsc-echo", func(args []string) {
	var in, out SPSC[line]
	for i, q := range []*SPSC[line]{&in, &out} {
		b, err := hex.DecodeString(args[i])
		proctest.ExitOn(err)
		proctest.ExitOn(q.UnmarshalBinary(b))
	}
	proctest.Say("ready")
	for v, err := range in.All(background) {
		proctest.ExitOn(err)
		proctest.ExitOn(out.Put(background, v))
	}
	proctest.ExitOn(out.Close())
})

// A handle goes to another process as bytes.
func TestSPSCHandlesTravel(t *testing.T) {
	seg, err := shm.Create(proctest.Dir(t)+"/segment", shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	var queues []*SPSC[line]
	var handles []string
	for _, name := range []string{"there", "back"} {
		q, err := NewSPSC[line](seg, name, 2, Options{})
		wantErr(t, err, nil)
		b, err := q.MarshalBinary()
		wantErr(t, err, nil)
		queues, handles = append(queues, q), append(handles, hex.EncodeToString(b))
	}
	child := proctest.Start(t, roleSPSCEcho, handles...)
	child.Expect("ready")
	for i := range uint64(200) {
		wantErr(t, queues[0].Put(background, line{i}), nil)
		if v, err := queues[1].Get(background); err != nil || v != (line{i}) {
			t.Fatal(v, err)
		}
	}
	wantErr(t, queues[0].Close(), nil)
	_, err = queues[1].Get(background)
	wantErr(t, err, ErrClosed)
	child.WaitOK()

	var q SPSC[int32]
	if _, err := q.MarshalBinary(); err == nil {
		t.Error("a handle without a queue was written down")
	}
	b, err := queues[0].MarshalBinary()
	wantErr(t, err, nil)
	wantErr(t, q.UnmarshalBinary(b), shm.ErrMismatch)
	wantErr(t, q.UnmarshalBinary(b[:5]), shm.ErrFormat)
}

// No operation allocates, whether it waits or not.
func TestSPSCAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector allocates")
	}
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for name, policy := range policies {
		there, back := newSPSC[line](t, 4, Options{Wait: policy}), newSPSC[line](t, 4, Options{Wait: policy})
		check("Put and Get, "+name, func() {
			there.Put(background, line{})
			there.Get(background)
		})
		check("TryPut and TryGet, "+name, func() {
			there.TryGet()
			there.TryPut(line{})
			there.TryGet()
		})
		vs := make([]line, 3)
		check("PutBatch and GetBatch, "+name, func() {
			there.PutBatch(background, vs)
			there.GetBatch(background, vs)
		})
		check("Reserve, Commit, Peek and Release, "+name, func() {
			r, err := there.Reserve(background)
			wantErr(t, err, nil)
			wantErr(t, r.Commit(), nil)
			p, err := there.Peek(background)
			wantErr(t, err, nil)
			wantErr(t, p.Release(), nil)
		})
		var echo sync.WaitGroup
		echo.Go(func() {
			for v := range there.All(background) {
				back.Put(background, v)
			}
		})
		check("Put and Get that wait, "+name, func() {
			there.Put(background, line{})
			back.Get(background)
		})
		there.Close()
		echo.Wait()
	}
}

// A program that passes the right to use an ordinary variable through the queue has no race, and
// the detector reports none.
func TestSPSCOwnershipPasses(t *testing.T) {
	const rounds = 1000
	there, back := newSPSC[bool](t, 2, Options{}), newSPSC[bool](t, 2, Options{})
	shared := 0
	var other sync.WaitGroup
	other.Go(func() {
		for range rounds {
			p, err := there.Peek(background)
			wantErr(t, err, nil)
			shared++
			wantErr(t, p.Release(), nil)
			wantErr(t, back.Put(background, true), nil)
		}
	})
	for range rounds {
		shared++
		wantErr(t, there.Put(background, true), nil)
		_, err := back.Get(background)
		wantErr(t, err, nil)
	}
	other.Wait()
	if shared != 2*rounds {
		t.Errorf("counted to %d, want %d", shared, 2*rounds)
	}
}

// Room passes ownership, too: what was done before a Get is visible behind the Put that needed its
// place.
func TestSPSCRoomPassesOwnership(t *testing.T) {
	const rounds = 1000
	q := newSPSC[bool](t, 1, Options{})
	wantErr(t, q.Put(background, true), nil)
	shared := 0
	var other sync.WaitGroup
	other.Go(func() {
		for i := range rounds {
			if i%2 == 0 {
				shared++ // the place is taken: it is this goroutine's turn
			}
			_, err := q.Get(background)
			wantErr(t, err, nil)
		}
	})
	for range rounds - 1 {
		wantErr(t, q.Put(background, true), nil)
	}
	other.Wait()
	if shared != rounds/2 {
		t.Errorf("counted to %d", shared)
	}
}
