//go:build linux

package shm_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// Parts that are all equal make a value whole.
type parts [64]int64

func (p *parts) set(n int64) {
	for i := range p {
		p[i] = n
	}
}

// whole reports whether the parts are equal.
func (p *parts) whole() bool {
	for _, n := range p {
		if n != p[0] {
			return false
		}
	}
	return true
}

// writeOn changes the Value by Store and Update until stop.
func writeOn(v *shm.Value[parts], stop *atomic.Bool) {
	var p parts
	for n := int64(1); !stop.Load(); n++ {
		p.set(n)
		must(v.Store(background, p))
		must(v.Update(background, func(p *parts) error { p.set(p[0] + 1); return nil }))
	}
}

// writer: SEGMENT. It writes until it hears something.
var roleWriter = proctest.Register("writer", func(args []string) {
	v := need(shm.OpenValue[parts](need(shm.Open(args[0])), "v"))
	var stop atomic.Bool
	go func() { proctest.Hear(); stop.Store(true) }()
	proctest.Say("writing")
	writeOn(v, &stop)
})

// reader: SEGMENT. It reads until it hears something.
var roleReader = proctest.Register("reader", func(args []string) {
	v := need(shm.OpenValue[parts](need(shm.Open(args[0])), "v"))
	var stop atomic.Bool
	go func() { proctest.Hear(); stop.Store(true) }()
	proctest.Say("reading")
	n := 0
	for ; !stop.Load(); n++ {
		if p := need(v.Load()); !p.whole() {
			proctest.Say("torn: %v", p)
			return
		}
	}
	proctest.Say("whole")
})

// Readers never see a part of a change, however many write however fast.
func TestReadersSeeWholeValues(t *testing.T) {
	seg := newSegment(t, small)
	v := need(shm.NewValue(seg, "v", parts{}))
	child := func(role, says string) *proctest.Child {
		c := proctest.Start(t, role, seg.Path())
		c.Expect(says)
		return c
	}
	writer, reader := child(roleWriter, "writing"), child(roleReader, "reading")

	var stop atomic.Bool
	var reads atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { writeOn(v, &stop) })
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				p, err := v.Load()
				if err != nil || !p.whole() {
					t.Errorf("%v: %v", p, err)
					return
				}
				reads.Add(1)
			}
		})
	}
	for range 2 { // writers that die now and then
		time.Sleep(400 * time.Millisecond) // it reads for so long
		writer.Kill()
		writer = child(roleWriter, "writing")
	}
	stop.Store(true)
	wg.Wait()
	reader.Send("stop")
	reader.Expect("whole")
	reader.WaitOK()
	writer.Send("stop")
	writer.WaitOK()
	if reads.Load() == 0 {
		t.Error("nothing was read")
	}
	t.Logf("%d reads", reads.Load())
}

// Read of an Array is a snapshot, too: no process changes it meanwhile.
func TestArrayReadSeesWholeChanges(t *testing.T) {
	seg := newSegment(t, small)
	a := need(shm.NewArray[int64](seg, "a", 64))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				must(a.Update(background, func(e []int64) error { (*parts)(e).set(e[0] + 1); return nil }))
			}
		})
	}
	for range 2000 {
		wantOK(t, a.Read(background, func(e []int64) error {
			if !(*parts)(e).whole() {
				t.Errorf("%v", e)
			}
			return nil
		}))
	}
	stop.Store(true)
	wg.Wait()
}
