package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

func newBroadcast[T any](t testing.TB, capacity int, o Options) *Broadcast[T] {
	t.Helper()
	b, err := NewBroadcast[T](newSegment(t, shm.Options{}), "b", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustBroadcast(t testing.TB, b *Broadcast[int64], values ...int64) {
	t.Helper()
	for _, v := range values {
		wantErr(t, b.Put(v), nil)
	}
}

func mustRead(t testing.TB, r *Reader[int64], want ...int64) {
	t.Helper()
	for _, w := range want {
		v, err := r.TryGet()
		if err != nil || v != w {
			t.Fatalf("read %d, %v, want %d", v, err, w)
		}
	}
}

// broadcastStarts are first positions, ordinary and just below the wrap-around.
var broadcastStarts = []uint64{0, 1<<63 - 6, ^uint64(0) - 5}

// Each reader sees every message, in order.
func TestBroadcastOrder(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 4, Options{}.startingAt(start))
		readers := []*Reader[int64]{b.Reader(FromNewest), b.Reader(FromOldest)}
		for i := range int64(20) {
			_, err := readers[0].TryGet()
			wantErr(t, err, ErrEmpty)
			mustBroadcast(t, b, 2*i, 2*i+1)
			for _, r := range readers {
				mustRead(t, r, 2*i, 2*i+1)
			}
		}
		if s := b.Stats(); s.Put != 40 || s.Abandoned != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// Who comes late begins with the next message, or with the oldest that is kept.
func TestBroadcastLateJoin(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 4, Options{}.startingAt(start))
		mustBroadcast(t, b, 1, 2)
		mustRead(t, b.Reader(FromOldest), 1, 2)
		mustBroadcast(t, b, 3, 4, 5, 6, 7)
		newest, oldest := b.Reader(FromNewest), b.Reader(FromOldest)
		mustRead(t, oldest, 5, 6, 7)
		mustBroadcast(t, b, 8)
		mustRead(t, oldest, 8)
		mustRead(t, newest, 8)
	}
}

// A slow reader is told exactly how many messages it has lost, and goes on with the oldest that is kept.
func TestBroadcastLapped(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 4, Options{}.startingAt(start))
		r := b.Reader(FromNewest)
		for v := range int64(4) {
			mustBroadcast(t, b, v)
		}
		mustRead(t, r, 0) // nothing is lost while nothing is overwritten
		for v := int64(4); v < 14; v++ {
			mustBroadcast(t, b, v)
		}
		_, err := r.TryGet()
		wantErr(t, err, ErrLapped)
		var lapped *LappedError
		if !errors.As(err, &lapped) || lapped.Lost != 10 {
			t.Fatalf("%v, want 10 lost", err)
		}
		mustRead(t, r, 11, 12, 13)
		_, err = r.TryGet()
		wantErr(t, err, ErrEmpty)
	}
}

func TestBroadcastLatest(t *testing.T) {
	for _, capacity := range []int{1, 4} {
		b := newBroadcast[int64](t, capacity, Options{})
		_, err := b.Latest()
		wantErr(t, err, ErrEmpty)
		for i := range int64(10) {
			mustBroadcast(t, b, i)
			if v, err := b.Latest(); err != nil || v != i {
				t.Fatalf("%d, %v, want %d", v, err, i)
			}
		}
		res, err := b.Reserve()
		wantErr(t, err, nil)
		if v, err := b.Latest(); err != nil || v != 9 {
			t.Fatalf("while the next is written: %d, %v", v, err)
		}
		*res.Value = 10
		wantErr(t, b.Put(0), ErrReserved)
		wantErr(t, res.Commit(), nil)
		wantErr(t, res.Commit(), ErrNotHeld)
		res, err = b.Reserve()
		wantErr(t, err, nil)
		wantErr(t, res.Abort(), nil)
		if v, err := b.Latest(); err != nil || v != 10 {
			t.Fatalf("%d, %v", v, err)
		}
	}
}

// A61: readers that wait, asleep or spinning, see what is put, and then the close.
func TestBroadcastWakesAll(t *testing.T) {
	for name, policy := range policies {
		b := newBroadcast[int64](t, 64, Options{Wait: policy})
		var all sync.WaitGroup
		for range 8 {
			r := b.Reader(FromNewest)
			all.Go(func() {
				want := int64(0)
				for v, err := range r.All(background) {
					if err != nil || v != want {
						t.Errorf("%s: %d, %v, want %d", name, v, err, want)
						return
					}
					want++
				}
				if want != 20 {
					t.Errorf("%s: %d messages", name, want)
				}
			})
		}
		for i := range int64(20) {
			time.Sleep(time.Millisecond)
			mustBroadcast(t, b, i)
		}
		wantErr(t, b.Close(), nil)
		all.Wait()
		wantErr(t, b.Put(0), ErrClosed)
	}
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err := newBroadcast[int64](t, 2, Options{}).Reader(FromNewest).Get(ctx)
	wantErr(t, err, context.DeadlineExceeded)
}

// roleListen reads the Broadcast of the segment args[0] until it is closed; each message must be whole and later than
// the one before.
var roleListen = proctest.Register("listen", func(args []string) {
	seg, err := shm.Open(args[0])
	exitOn(err)
	b, err := OpenBroadcast[line](seg, "b", Options{})
	exitOn(err)
	r := b.Reader(FromOldest)
	proctest.Say("ready")
	next, got, lost := uint64(0), uint64(0), uint64(0)
	for v, err := range r.All(background) {
		if lapped := new(LappedError); errors.As(err, &lapped) {
			lost += lapped.Lost
			next += lapped.Lost
			continue
		}
		exitOn(err)
		for _, word := range v {
			if word != next {
				exitOn(errors.New("message " + strconv.FormatUint(next, 10) + " is torn or out of order"))
			}
		}
		next++
		got++
	}
	proctest.Say("%d %d", got, lost)
})

// Three processes read what one writes as fast as it can; what each has read and lost is all there was.
func TestBroadcastAcrossProcesses(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBroadcast[line](seg, "b", 256, Options{})
	wantErr(t, err, nil)
	var children []*proctest.Child
	for range 3 {
		c := proctest.Start(t, roleListen, path)
		c.Expect("ready")
		children = append(children, c)
	}
	const n = 200_000
	for i := range uint64(n) {
		wantErr(t, b.Put(line{i, i, i, i, i, i, i, i}), nil)
	}
	wantErr(t, b.Close(), nil)
	for _, c := range children {
		c.WaitOK()
		var got, lost uint64
		sscan(t, c.Line(), &got, &lost)
		t.Logf("read %d, lost %d", got, lost)
		if got+lost != n {
			t.Errorf("read %d and lost %d of %d", got, lost, n)
		}
	}
}

// roleSpeak puts 0, 1, 2, … into the Broadcast of the segment args[0] until it is killed.
var roleSpeak = proctest.Register("speak", func(args []string) {
	seg, err := shm.Open(args[0])
	exitOn(err)
	b, err := OpenBroadcast[line](seg, "b", Options{})
	exitOn(err)
	res, err := b.Reserve() // takes the role, and what the last writer completed
	exitOn(err)
	exitOn(res.Abort())
	for i := b.Stats().Put; ; i++ {
		exitOn(b.Put(line{i, i, i, i, i, i, i, i}))
		if i == 0 {
			proctest.Say("ready")
		}
	}
})

// A56, A57: a writer that is stopped keeps its role, one that is killed loses it to the next; readers see nothing torn, and
// nothing twice.
func TestBroadcastWriterDies(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBroadcast[line](seg, "b", 64, Options{})
	wantErr(t, err, nil)
	listener := proctest.Start(t, roleListen, path)
	listener.Expect("ready")
	speaker := proctest.Start(t, roleSpeak, path)
	speaker.Expect("ready")
	for range 20 {
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		speaker.Signal(syscall.SIGSTOP)
		speaker.WaitStopped()
		wantErr(t, b.Put(line{}), ErrRoleTaken)
		speaker.Signal(syscall.SIGCONT)
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		speaker.Kill()
		speaker = proctest.Start(t, roleSpeak, path)
		before := b.Stats().Put
		proctest.Eventually(t, soon, func() bool { return b.Stats().Put > before }, "nobody takes the role over")
	}
	speaker.Kill()
	wantErr(t, b.Close(), nil)
	listener.WaitOK()
	var got, lost uint64
	sscan(t, listener.Line(), &got, &lost)
	put := b.Stats().Put
	t.Logf("put %d, read %d, lost %d, abandoned %d", put, got, lost, b.Stats().Abandoned)
	if got+lost != put && got+lost != put+1 { // the last writer may have died between completing a message and publishing it
		t.Errorf("read %d and lost %d of %d", got, lost, put)
	}
}

// After a Put everything that its goroutine did before is visible to the reader, for the race detector, too.
func TestBroadcastOrders(t *testing.T) {
	b := newBroadcast[int64](t, 2, Options{})
	r := b.Reader(FromNewest)
	shared := 0
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := r.Get(background); err != nil || shared != 1 {
			t.Error(err, shared)
		}
	})
	shared = 1
	mustBroadcast(t, b, 1)
	all.Wait()
}

func TestBroadcastAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector allocates")
	}
	b := newBroadcast[line](t, 4, Options{})
	r := b.Reader(FromNewest)
	if n := testing.AllocsPerRun(200, func() {
		b.Put(line{})
		r.Get(background)
		b.Latest()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Closed by this process, the segment gives nothing more.
func TestBroadcastSegmentClosed(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	wantErr(t, err, nil)
	b, err := NewBroadcast[int64](seg, "b", 4, Options{})
	wantErr(t, err, nil)
	r := b.Reader(FromNewest)
	waiting := make(chan error)
	go func() {
		_, err := r.Get(background)
		waiting <- err
	}()
	time.Sleep(5 * time.Millisecond)
	wantErr(t, seg.Close(), nil)
	wantErr(t, <-waiting, shm.ErrClosed)
	_, err = b.Latest()
	wantErr(t, err, shm.ErrClosed)
	wantErr(t, b.Put(1), shm.ErrClosed)
	wantErr(t, b.Close(), shm.ErrClosed)
	_, err = b.Reserve()
	wantErr(t, err, shm.ErrClosed)
}

// Whatever words the memory holds: no panic, no fault, no loop without end.
func TestBroadcastHostile(t *testing.T) {
	words := []uint64{0, 1, 2, 3, 255, 1 << 31, 1<<32 - 1, 1 << 62, 1<<63 - 1, 1 << 63, ^uint64(0), ^uint64(0) - 1}
	for range 300 {
		b := newBroadcast[int64](t, 4, Options{})
		mustBroadcast(t, b, 1, 2, 3)
		r := b.Reader(FromOldest)
		for range 1 + rand.IntN(4) {
			off := 8 + 8*rand.IntN((len(b.o.Payload)-8)/8)
			binary.NativeEndian.PutUint64(b.o.Payload[off:], words[rand.IntN(len(words))])
		}
		ctx, cancel := context.WithDeadline(background, time.Now())
		began := time.Now()
		for range 6 {
			_, get := r.Get(ctx)
			_, latest := b.Latest()
			for _, err := range []error{get, latest, b.Put(4)} {
				if !acceptable(err) && !errors.Is(err, ErrLapped) && !errors.Is(err, ErrRoleTaken) {
					t.Fatal(err)
				}
			}
			r = b.Reader(Start(rand.IntN(2)))
		}
		cancel()
		if took := time.Since(began); took > time.Second {
			t.Fatalf("took %v", took)
		}
	}
	b := newBroadcast[int64](t, 4, Options{})
	binary.NativeEndian.PutUint64(b.o.Payload, 5)
	if _, err := viewBroadcast(b.o, broadcastStride(8)); !errors.Is(err, shm.ErrCorrupt) {
		t.Errorf("a wrong capacity: %v", err)
	}
}

func TestBroadcastBadInput(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	if _, err := NewBroadcast[int64](seg, "b", 0, Options{}); err == nil {
		t.Error("capacity 0 is taken")
	}
	if _, err := NewBroadcast[string](seg, "b", 1, Options{}); err == nil {
		t.Error("strings are taken")
	}
	_, err := NewBroadcast[int64](seg, "b", 4, Options{})
	wantErr(t, err, nil)
	_, err = NewBroadcast[int64](seg, "b", 8, Options{})
	wantErr(t, err, shm.ErrMismatch)
	_, err = OpenBroadcast[int32](seg, "b", Options{})
	wantErr(t, err, shm.ErrMismatch)
	_, err = OpenQueue[int64](seg, "b", Options{})
	wantErr(t, err, shm.ErrMismatch)
	b, err := OpenBroadcast[int64](seg, "b", Options{})
	wantErr(t, err, nil)
	data, err := b.MarshalBinary()
	wantErr(t, err, nil)
	var again Broadcast[int64]
	wantErr(t, again.UnmarshalBinary(data), nil)
	r := again.Reader(FromNewest)
	mustBroadcast(t, b, 5)
	mustRead(t, r, 5)
}

// BenchmarkBroadcast is what a message costs the writer, and a reader in the same goroutine.
func BenchmarkBroadcast(b *testing.B) {
	for _, readers := range []int{0, 1, 2} {
		b.Run("readers="+strconv.Itoa(readers), func(b *testing.B) {
			c, err := NewBroadcast[line](newSegment(b, shm.Options{}), "b", 1024, Options{})
			wantErr(b, err, nil)
			var rs []*Reader[line]
			for range readers {
				rs = append(rs, c.Reader(FromNewest))
			}
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				c.Put(line{i})
				for _, r := range rs {
					if v, err := r.TryGet(); err != nil || v[0] != i {
						b.Fatal(v, err)
					}
				}
			}
		})
	}
}

func sscan(t testing.TB, line string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscan(line, into...); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}
