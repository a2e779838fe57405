package queue

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/ring/cast"
	"github.com/shmkit/shmkit/shm"
)

// eachWriters runs a test with one writer and with many.
func eachWriters(t *testing.T, test func(t *testing.T, o Options)) {
	for _, w := range []Writers{One, Many} {
		t.Run(w.String(), func(t *testing.T) { test(t, Options{Writers: w}) })
	}
}

// All readers get all messages in one order, though a turn of the ring takes a few messages only:
// vllm-project/vllm#5801.
func TestBroadcastFullKeepsOrder(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		messages := int64(2000)
		if long {
			messages = 100_000
		}
		for _, capacity := range []int{1, 2, 3} {
			for _, start := range broadcastStarts {
				b := newBroadcast[int64](t, capacity, o.startingAt(start))
				var all sync.WaitGroup
				for range 5 {
					r := b.mustSubscribe(FromNewest)
					all.Go(func() {
						want := int64(0)
						for v, err := range r.All(background) {
							if err != nil || v != want {
								t.Errorf("%d, %v, want %d", v, err, want)
								break
							}
							want++
						}
						if want != messages {
							t.Errorf("%d messages, want %d", want, messages)
						}
						r.Close()
					})
				}
				for i := range messages {
					wantErr(t, b.Put(background, i), nil)
				}
				wantErr(t, b.Close(), nil)
				all.Wait()
				if s := b.Stats(); s.Put != uint64(messages) || s.Bytes != 8*s.Put || s.Expelled != 0 || s.Abandoned != 0 {
					t.Errorf("%+v", s)
				}
			}
		}
	})
}

// A put waits for the slowest reader, and goes on at once when that reads, or leaves.
func TestBroadcastReaderLeaves(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		b := newBroadcast[int64](t, 4, o)
		fast, slow := b.mustSubscribe(FromNewest), b.mustSubscribe(FromNewest)
		for i := range int64(4) {
			wantErr(t, b.Put(background, i), nil)
		}
		mustRead(t, fast, 0, 1, 2, 3)
		wantErr(t, b.TryPut(4), ErrFull)
		wantErr(t, b.Put(canceled, 4), context.Canceled)
		put := proctest.MustBlock(t, func() { wantErr(t, b.Put(background, 4), nil) })
		mustRead(t, slow, 0)
		proctest.Ends(t, put, "a put goes on when the slowest reader has read")
		put = proctest.MustBlock(t, func() { wantErr(t, b.Put(background, 5), nil) })
		wantErr(t, slow.Close(), nil)
		proctest.Ends(t, put, "a put goes on when the slowest reader has left")
		mustRead(t, fast, 4, 5)
		_, err := slow.TryGet()
		wantErr(t, err, ErrNotHeld)
		wantErr(t, slow.Close(), nil)
	})
}

// A reader that stands while a put waits is expelled after the patience, and told how many messages
// it had not read; before, it has lost nothing. So is one that looks at a message in place.
func TestBroadcastExpelledIsTold(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		const patience = 5 * time.Millisecond //clock: that it ends a wait is the subject
		o.Patience = patience
		b := newBroadcast[int64](t, 4, o)
		slow, looks := b.mustSubscribe(FromNewest), b.mustSubscribe(FromNewest)
		wantErr(t, b.Put(background, 0), nil)
		look, err := looks.Peek(background)
		wantErr(t, err, nil)
		if !look.Valid() || *look.Value != 0 {
			t.Error("the look is not valid")
		}
		began := time.Now()
		for i := range int64(8) {
			wantErr(t, b.Put(background, i), nil)
		}
		if d := time.Since(began); d < patience { //clock: that it is never early is the subject
			t.Errorf("expelled after %v", d)
		}
		if look.Valid() {
			t.Error("the look is valid, and its message overwritten")
		}
		for _, err := range []error{look.Release(), func() error { _, err := slow.TryGet(); return err }()} {
			wantErr(t, err, ErrExpelled)
			wantErr(t, err, ErrLapped)
			var e *ExpelledError
			if !errors.As(err, &e) || e.Unread != 9 {
				t.Errorf("%v, want 9 that were not read", err)
			}
		}
		infos := slices.Collect(b.Readers())
		if len(infos) != 2 || !infos[0].Expelled || !infos[1].Expelled || b.Stats().Expelled != 2 || b.Stats().Readers != 0 {
			t.Errorf("%+v, %+v", infos, b.Stats())
		}
		wantErr(t, slow.Close(), nil)
		wantErr(t, looks.Close(), nil)
		again := b.mustSubscribe(FromNewest)
		wantErr(t, b.Put(background, 9), nil)
		mustRead(t, again, 9)
	})
}

// A reader that reads on, however slowly, is not expelled.
func TestBroadcastSlowReaderStays(t *testing.T) {
	b := newBroadcast[int64](t, 2, Options{Patience: time.Hour})
	r := b.mustSubscribe(FromNewest)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range int64(50) {
			if err := b.Put(background, i); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range int64(50) {
		proctest.Stagger(time.Millisecond)
		if v, err := r.Get(background); err != nil || v != i {
			t.Fatal(v, err)
		}
	}
	<-done
}

// A late reader begins with the next message, or with the oldest that is kept, whichever readers
// have read it.
func TestBroadcastLateReaders(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		for _, start := range broadcastStarts {
			o.Keep, o.Readers = 4, 2
			b := newBroadcast[int64](t, 8, o.startingAt(start))
			early := b.mustSubscribe(FromOldest)
			for i := range int64(100) {
				wantErr(t, b.Put(background, i), nil)
				mustRead(t, early, i)
			}
			wantErr(t, early.Close(), nil)
			old := b.mustSubscribe(FromOldest)
			first, err := old.TryGet()
			if err != nil || first < 92 || first > 96 {
				t.Fatalf("begins with %d, %v", first, err)
			}
			for want := first + 1; want < 100; want++ {
				mustRead(t, old, want)
			}
			now := b.mustSubscribe(FromNewest)
			_, err = b.Subscribe(FromNewest)
			wantErr(t, err, ErrTooManyReaders)
			_, err = now.TryGet()
			wantErr(t, err, ErrEmpty)
			wantErr(t, now.Close(), nil)
			_, err = b.Subscribe(Start(7))
			wantErr(t, err, fs.ErrInvalid)
			now = b.mustSubscribe(FromNewest)
			wantErr(t, b.Put(background, 100), nil)
			mustRead(t, now, 100)
			mustRead(t, old, 100)
		}
	})
}

// Readers come and go all the time, from the newest and the oldest message; each gets a run without
// a gap.
func TestBroadcastSubscribeStorm(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		o.Readers = 16
		b := newBroadcast[int64](t, 8, o)
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				for {
					r, err := b.Subscribe(Start(n % 2))
					if err != nil {
						t.Error(err)
						return
					}
					last := int64(-1)
					for range 20 {
						v, err := r.Get(background)
						if errors.Is(err, ErrClosed) {
							r.Close()
							return
						}
						if err != nil || last >= 0 && v != last+1 {
							t.Errorf("%d after %d, %v", v, last, err)
							return
						}
						last = v
					}
					r.Close()
				}
			})
		}
		for i := range int64(5000) {
			wantErr(t, b.Put(background, i), nil)
		}
		wantErr(t, b.Close(), nil)
		all.Wait()
	})
}

// The next get passes over a message whose look was forgotten, as that of a caller that has failed:
// vllm-project/vllm#45224.
func TestBroadcastLookIsForgotten(t *testing.T) {
	b := newBroadcast[int64](t, 4, Options{})
	r := b.mustSubscribe(FromNewest)
	for i := range int64(4) {
		wantErr(t, b.Put(background, i), nil)
	}
	forgotten, err := r.Peek(background)
	wantErr(t, err, nil)
	second, err := r.Peek(background)
	if err != nil || *second.Value != 1 || !second.Valid() || forgotten.Valid() {
		t.Fatal(*second.Value, err)
	}
	wantErr(t, forgotten.Release(), ErrNotHeld)
	mustRead(t, r, 2)
	wantErr(t, second.Release(), ErrNotHeld)
	func() {
		defer func() { recover() }()
		look, err := r.Peek(background)
		wantErr(t, err, nil)
		panic(*look.Value)
	}()
	put := proctest.MustBlock(t, func() {
		for i := range int64(4) {
			wantErr(t, b.Put(background, i), nil)
		}
	})
	_, err = r.TryGet()
	for ; errors.Is(err, ErrEmpty); _, err = r.TryGet() { // what the look was at is passed over
		runtime.Gosched()
	}
	wantErr(t, err, nil)
	proctest.Ends(t, put, "puts go on")
}

// A close ends puts that wait, and gets when all is read; what was put before is not lost. After
// Reopen all go on where they are.
func TestBroadcastCloseEndsPut(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		b := newBroadcast[int64](t, 2, o)
		r := b.mustSubscribe(FromNewest)
		for i := range int64(2) {
			wantErr(t, b.Put(background, i), nil)
		}
		put := proctest.MustBlock(t, func() { wantErr(t, b.Put(background, 9), ErrClosed) })
		wantErr(t, b.Close(), nil)
		proctest.Ends(t, put, "Close ends a Put")
		mustRead(t, r, 0, 1)
		_, err := r.Get(background)
		wantErr(t, err, ErrClosed)
		if !b.Closed() || !strings.Contains(err.Error(), `Broadcast "b"`) {
			t.Error(err)
		}
		wantErr(t, b.Put(background, 9), ErrClosed)
		wantErr(t, b.Reopen(), nil)
		get := proctest.MustBlock(t, func() {
			if v, err := r.Get(background); v != 2 || err != nil {
				t.Error(v, err)
			}
		})
		wantErr(t, b.Put(background, 2), nil)
		proctest.Ends(t, get, "a Get goes on after Reopen")
	})
}

// Closed by this process, the segment gives nothing more, and ends waits.
func TestBroadcastSegmentClosed(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		seg, err := shm.Anonymous(shm.Options{})
		wantErr(t, err, nil)
		empty, err := NewBroadcast[int64](seg, "empty", 4, o)
		wantErr(t, err, nil)
		full, err := NewBroadcast[int64](seg, "full", 2, o)
		wantErr(t, err, nil)
		r, other := empty.mustSubscribe(FromNewest), full.mustSubscribe(FromNewest)
		wantErr(t, errors.Join(full.Put(background, 1), full.Put(background, 2)), nil)
		waits := make(chan error)
		go func() { _, err := r.Get(background); waits <- err }()
		go func() { waits <- full.Put(background, 3) }()
		go func() { waits <- empty.AwaitReaders(background, 2) }()
		asleep.Await(t, seg, 3)
		wantErr(t, seg.Close(), nil)
		for range 3 {
			wantErr(t, proctest.Ends(t, waits, "the close ends the waits"), shm.ErrClosed)
		}
		_, err = empty.Latest()
		wantErr(t, err, shm.ErrClosed)
		_, err = empty.Subscribe(FromNewest)
		wantErr(t, err, shm.ErrClosed)
		_, err = empty.Reserve(background)
		wantErr(t, err, shm.ErrClosed)
		_, err = other.TryGet()
		wantErr(t, err, shm.ErrClosed)
		wantErr(t, errors.Join(other.Close()), nil)
		wantErr(t, empty.Put(background, 1), shm.ErrClosed)
		wantErr(t, empty.Close(), shm.ErrClosed)
		wantErr(t, empty.Reopen(), shm.ErrClosed)
	})
}

// Detach closes the readers of the handle, for which a put of another handle waits no longer.
func TestBroadcastDetach(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	b, err := NewBroadcast[int64](seg, "b", 2, Options{})
	wantErr(t, err, nil)
	other, err := OpenBroadcast[int64](seg, "b", Options{})
	wantErr(t, err, nil)
	r := other.mustSubscribe(FromNewest)
	wantErr(t, errors.Join(b.TryPut(1), b.TryPut(2)), nil)
	wantErr(t, b.TryPut(3), ErrFull)
	wantErr(t, other.Detach(), nil)
	wantErr(t, b.TryPut(3), nil)
	_, err = r.TryGet()
	wantErr(t, err, shm.ErrClosed)
	_, err = other.Subscribe(FromNewest)
	wantErr(t, err, shm.ErrClosed)
	wantErr(t, r.Close(), nil)
}

// A reader that the program has lost is closed by the garbage collector.
func TestBroadcastReaderIsCollected(t *testing.T) {
	b := newBroadcast[int64](t, 2, Options{})
	b.mustSubscribe(FromNewest)
	proctest.Eventually(t, proctest.Hang, func() bool {
		runtime.GC()
		return b.Stats().Readers == 0
	}, "the reader is closed")
	runtime.KeepAlive(b)
}

func TestBroadcastLatestWhileWaiting(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		for _, capacity := range []int{1, 4} {
			b := newBroadcast[int64](t, capacity, o)
			r := b.mustSubscribe(FromNewest)
			_, err := b.Latest()
			wantErr(t, err, ErrEmpty)
			for i := range int64(10) {
				wantErr(t, b.Put(background, i), nil)
				mustRead(t, r, i)
				if v, err := b.Latest(); err != nil || v != i {
					t.Fatalf("%d, %v, want %d", v, err, i)
				}
			}
			for _, end := range []func(*Reservation[int64]) error{(*Reservation[int64]).Abort, (*Reservation[int64]).Commit} {
				res, err := b.Reserve(background)
				wantErr(t, err, nil)
				*res.Value = 10
				if v, err := b.Latest(); err != nil || v != 9 {
					t.Fatalf("while the next is written: %d, %v", v, err)
				}
				if o.Writers == One {
					wantErr(t, b.Put(background, 0), ErrReserved)
				}
				wantErr(t, b.TryPut(0), map[Writers]error{One: ErrReserved, Many: ErrFull}[o.Writers])
				wantErr(t, end(&res), nil)
				wantErr(t, res.Commit(), ErrNotHeld)
			}
			mustRead(t, r, 10)
		}
	})
}

func TestBroadcastBatches(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		for _, start := range broadcastStarts {
			b := newBroadcast[int64](t, 8, o.startingAt(start))
			r := b.mustSubscribe(FromNewest)
			next := int64(0)
			for n := range 9 {
				vs := make([]int64, n)
				for i := range vs {
					vs[i] = next + int64(i)
				}
				if put, err := b.PutBatch(background, vs); put != n || err != nil {
					t.Fatal(put, err)
				}
				if got := r.Len(); got != n {
					t.Fatalf("%d messages, want %d", got, n)
				}
				for n > 0 {
					into := make([]int64, 3)
					k, err := r.GetBatch(background, into)
					wantErr(t, err, nil)
					for _, v := range into[:k] {
						if v != next {
							t.Fatalf("%d, want %d", v, next)
						}
						next++
					}
					n -= k
				}
			}
			n, err := b.PutBatch(canceled, make([]int64, 10))
			if wantErr(t, err, context.Canceled); n != 8 {
				t.Errorf("%d were put", n)
			}
		}
	})
}

// With DropNewest a message for which there is no room is dropped, and counted.
func TestBroadcastDropNewest(t *testing.T) {
	eachWriters(t, func(t *testing.T, o Options) {
		o.WhenFull = DropNewest
		b := newBroadcast[int64](t, 4, o)
		r := b.mustSubscribe(FromNewest)
		n, err := b.PutBatch(background, []int64{0, 1, 2, 3, 4, 5})
		if n != 4 || err != nil {
			t.Fatal(n, err)
		}
		wantErr(t, b.Put(background, 6), nil)
		_, err = b.Reserve(background)
		wantErr(t, err, ErrFull)
		wantErr(t, b.TryPut(7), ErrFull)
		if s := b.Stats(); s.Dropped != 4 || s.Put != 4 {
			t.Errorf("%+v", s)
		}
		mustRead(t, r, 0, 1, 2, 3)
		wantErr(t, b.Put(background, 8), nil)
		mustRead(t, r, 8)
	})
}

// What belongs to a broadcast is compared when it is found, and ignored when it is opened.
func TestBroadcastTraits(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	made := Options{Writers: Many, Readers: 3, Patience: time.Minute, Keep: 2}
	_, err := NewBroadcast[int64](seg, "b", 4, made)
	wantErr(t, err, nil)
	_, err = NewBroadcast[int64](seg, "b", 4, made)
	wantErr(t, err, nil)
	for says, change := range map[string]func(*Options){
		"its WhenFull is WaitForRoom, not DropNewest": func(o *Options) { o.WhenFull = DropNewest },
		"many writers: true":                          func(o *Options) { o.Writers = One },
		"3 readers, not 64":                           func(o *Options) { o.Readers = 0 },
		"patience is 1m0s, not 0s":                    func(o *Options) { o.Patience = 0 },
		"it keeps 2, not 3":                           func(o *Options) { o.Keep = 3 },
		"its kind is Broadcast":                       func(o *Options) { *o = overwriting },
	} {
		o := made
		change(&o)
		_, err := NewBroadcast[int64](seg, "b", 4, o)
		if wantErr(t, err, shm.ErrMismatch); !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want: %s", err, says)
		}
	}
	for _, o := range []Options{{Joinable: true}, {Writers: 7}, {Readers: -1}, {Readers: cast.MaxReaders + 1}, {Patience: -time.Minute}, {Keep: -1}, {Keep: 4}} {
		_, err := NewBroadcast[int64](seg, "c", 4, o)
		wantErr(t, err, fs.ErrInvalid)
	}
	for _, o := range []Options{{Writers: Many}, {Readers: 1}, {Patience: time.Minute}, {Keep: 1}, {EndWithWriter: true}} {
		_, err := NewQueue[int64](seg, "q", 4, o)
		wantErr(t, err, fs.ErrInvalid)
		_, err = NewSPSC[int64](seg, "q", 4, o)
		wantErr(t, err, fs.ErrInvalid)
		_, err = NewBytes(seg, "q", 4, o)
		wantErr(t, err, fs.ErrInvalid)
	}
	_, err = NewBroadcastBytes(seg, "c", 1024, overwriting)
	wantErr(t, err, fs.ErrInvalid)
	_, err = OpenBroadcast[int64](seg, "b", Options{})
	wantErr(t, err, nil)
	_, err = OpenBroadcast[int32](seg, "b", Options{})
	wantErr(t, err, shm.ErrMismatch)
}

// A put, a get, a look and a batch allocate nothing.
func TestBroadcastAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector allocates")
	}
	eachWriters(t, func(t *testing.T, o Options) {
		b := newBroadcast[line](t, 4, o)
		r := b.mustSubscribe(FromNewest)
		vs := make([]line, 2)
		if n := testing.AllocsPerRun(200, func() {
			b.Put(background, line{})
			r.Get(background)
			b.Latest()
			b.PutBatch(background, vs)
			r.GetBatch(background, vs)
			b.TryPut(line{})
			look, _ := r.Peek(background)
			look.Release()
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// An error of a put that waits in vain names the process of the slowest reader, as Readers and
// Blocked do: vllm-project/vllm#7454.
func TestBroadcastNamesTheSlowReader(t *testing.T) {
	b := newBroadcast[int64](t, 2, Options{})
	slow, r := b.mustSubscribe(FromNewest), b.mustSubscribe(FromNewest)
	defer slow.Close() // it is reachable until then
	wantErr(t, errors.Join(b.TryPut(1), b.TryPut(2)), nil)
	mustRead(t, r, 1)
	for info := range b.Readers() {
		if info.Process.PID == 0 || info.Expelled || info.Lag == 0 {
			t.Errorf("%+v", info)
		}
	}
	ctx, cancel := context.WithCancel(background)
	put := make(chan error)
	go func() { put <- b.Put(ctx, 3) }()
	asleep.Await(t, b.o.Seg, 1)
	cancel()
	err := <-put
	wantErr(t, err, context.Canceled)
	if says := err.Error(); !strings.Contains(says, `Broadcast "b"`) || !strings.Contains(says, "has not read 2 messages") ||
		!strings.Contains(says, "has that reader") {
		t.Error(says)
	}
	runtime.KeepAlive(r)
}

// A select is ready when a reader has a message.
func TestBroadcastSelect(t *testing.T) {
	a, b := newBroadcast[int64](t, 2, Options{}), newBroadcast[int64](t, 2, Options{Writers: Many})
	ra, rb := a.mustSubscribe(FromNewest), b.mustSubscribe(FromNewest)
	s := newSelect(t, ra.Gets(), rb.Gets())
	waits := make(chan int)
	go func() {
		i, err := s.Wait(background)
		if err != nil {
			t.Error(err)
		}
		waits <- i
	}()
	wantErr(t, b.Put(background, 1), nil)
	if i := proctest.Ends(t, waits, "the select ends"); i != 1 {
		t.Errorf("%d is ready", i)
	}
	mustRead(t, rb, 1)
}
