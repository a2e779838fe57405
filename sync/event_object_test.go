//go:build linux

package shmsync_test

import (
	"context"
	"encoding/base64"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// New, open, and new once more, for an event that is there, is not, is of another kind, or was
// removed.
func TestEventNewAndOpen(t *testing.T) {
	seg := newSegment(t)
	open := func() (*shmsync.Event, error) { return shmsync.OpenEvent(seg, "a", shmsync.EventOptions{}) }
	_, err := open()
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	first := newEvent(t, seg, "a")
	first.Set()
	second, err := open()
	wantErr(t, "open what is there", err, nil)
	if third := newEvent(t, seg, "a"); !second.IsSet() || !third.IsSet() || third.Name() != "a" {
		t.Error("the handles are of different events")
	}
	c := startEventAgent(t, seg, shmsync.Adaptive)
	told(t, c, "is", "true")
	wantErr(t, "remove", seg.RemoveObject("a"), nil)
	_, err = open()
	wantErr(t, "open what was removed", err, fs.ErrNotExist)
	if newEvent(t, seg, "a").IsSet() {
		t.Error("a new event is set")
	}
	told(t, c, "clear", "ok") // the old one
	if first.IsSet() {
		t.Error("the old event is not shared any more")
	}
	c.Kill()

	newMutex(t, seg, "m")
	_, err = shmsync.NewEvent(seg, "m", shmsync.EventOptions{})
	wantErr(t, "make what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.OpenEvent(seg, "m", shmsync.EventOptions{})
	wantErr(t, "open what is a Mutex", err, shm.ErrMismatch)
	_, err = shmsync.NewEvent(seg, "a/b", shmsync.EventOptions{})
	wantErr(t, "make one with an impossible name", err, fs.ErrInvalid)
}

var eventUnmarshaler = proctest.Register("event-unmarshaler", func(args []string) {
	b, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var e shmsync.Event
	must(e.UnmarshalBinary(b))
	proctest.Say("%s %v", e.Name(), e.IsSet())
	must(e.Wait(background))
	proctest.Say("set")
})

// A handle reaches another process as bytes.
func TestEventMarshal(t *testing.T) {
	seg := newSegment(t)
	e := newEvent(t, seg, "the event")
	b, err := e.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, eventUnmarshaler, base64.StdEncoding.EncodeToString(b))
	c.Expect("the event false")
	e.Set()
	c.Expect("set")
	c.WaitOK()
	var none shmsync.Event
	if _, err := none.MarshalBinary(); err == nil {
		t.Error("a handle of nothing was marshaled")
	}
	wantErr(t, "unmarshal of something else", none.UnmarshalBinary(b[:10]), shm.ErrFormat)
	mb, err := newMutex(t, seg, "m").MarshalBinary()
	wantErr(t, "marshal a Mutex", err, nil)
	wantErr(t, "a Mutex as an Event", none.UnmarshalBinary(mb), shm.ErrMismatch)
}

// Waiters get ErrClosed when their process closes the segment, and what comes later does nothing.
func TestEventClose(t *testing.T) {
	seg := newSegment(t)
	other := newEvent(t, seg, "a")
	mine := openAgain(t, seg)
	e := newEvent(t, mine, "a")
	got := make(chan error)
	for range 20 {
		go func() { got <- e.Wait(background) }()
	}
	asleepOn(t, seg, "a", 1)
	wantErr(t, "close", mine.Close(), nil)
	for range 20 {
		err := <-got
		wantErr(t, "a waiter", err, shmsync.ErrClosed)
		wantErr(t, "a waiter", err, os.ErrClosed)
	}
	e.Set()
	if other.IsSet() {
		t.Error("set after the close")
	}
	other.Set()
	e.Clear()
	if !other.IsSet() {
		t.Error("cleared after the close")
	}
	e.IsSet()
	wantErr(t, "wait afterwards", e.Wait(background), shmsync.ErrClosed)
	_, err := e.MarshalBinary()
	wantErr(t, "marshal afterwards", err, shmsync.ErrClosed)
}

// A program that hands ordinary variables over by an event has no race, and the detector reports
// none.
func TestEventOrders(t *testing.T) {
	seg := newSegment(t)
	there, back := newEvent(t, seg, "there"), newEvent(t, seg, "back")
	n := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 300 {
			must(there.Wait(background))
			there.Clear()
			n++
			back.Set()
		}
	})
	for i := range 300 {
		n++
		there.Set()
		for i%2 == 0 && !back.IsSet() {
			runtime.Gosched()
		}
		must(back.Wait(background))
		back.Clear()
	}
	wg.Wait()
	if n != 600 {
		t.Errorf("counted to %d", n)
	}
}

// payload is the object's memory, to be overwritten. It fits the objects that have no type.
func payload(t testing.TB, seg *shm.Segment, kind segment.Kind, name string) []byte {
	t.Helper()
	o, err := segment.Of(seg).Open(segment.Spec{Name: name, Kind: kind, Size: segment.AnySize})
	if err != nil {
		t.Fatal(err)
	}
	return o.Payload
}

// scrawl overwrites a word of mem with bytes that are sometimes nearly right.
func scrawl(mem []byte) {
	at := 4 * rand.IntN(len(mem)/4)
	word := (*uint32)(unsafe.Pointer(&mem[at]))
	values := [...]uint32{0, 1, 2, 3, rand.Uint32(), rand.Uint32() & 0xff, ^uint32(0), atomic.LoadUint32(word) ^ 1<<rand.IntN(32)}
	atomic.StoreUint32(word, values[rand.IntN(len(values))])
}

// Whatever is written over an event, each call ends, with its context at the latest, and nothing
// panics.
func TestEventGarbage(t *testing.T) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	mem := payload(t, seg, segment.KindEvent, "a")
	var wg sync.WaitGroup
	end := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			for !isClosed(end) {
				//clock: with such words it may wait for ever
				if err := eventWithin(e, time.Millisecond); err != nil && verdict(err) != "deadline" {
					t.Error(err)
				}
				if i%2 == 0 {
					e.Set()
				} else {
					e.Clear()
				}
				e.IsSet()
			}
		})
	}
	wg.Go(func() {
		defer close(end)
		rounds := times(2500)
		if runtime.GOMAXPROCS(0) == 1 {
			rounds /= 10 // a waiter that meets garbage gives the processor back only when it must
		}
		for range rounds {
			scrawl(mem)
			runtime.Gosched()
		}
	})
	wg.Wait()
	clear(mem)
	wantErr(t, "cleaned", eventWithin(e, 0), context.DeadlineExceeded)
	e.Set()
	wantErr(t, "set", e.Wait(background), nil)
}
