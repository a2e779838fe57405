package queue

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func mustReadBatch(t testing.TB, r *Reader[int64], size int, want ...int64) {
	t.Helper()
	vs := make([]int64, size)
	n, err := r.GetBatch(canceled, vs)
	if err != nil || !slices.Equal(vs[:n], want) {
		t.Fatalf("read %v, %v, want %v", vs[:n], err, want)
	}
}

// Batches come in order, whatever their sizes are, and each reader knows how many there are for it.
func TestOverwritingBatch(t *testing.T) {
	for _, start := range broadcastStarts {
		b := newBroadcast[int64](t, 8, overwriting.startingAt(start))
		r, late := b.mustSubscribe(FromNewest), b.mustSubscribe(FromNewest)
		n, err := b.PutBatch(background, nil)
		if n != 0 || err != nil {
			t.Fatal(n, err)
		}
		mustReadBatch(t, r, 0)
		_, err = r.GetBatch(canceled, make([]int64, 1))
		wantErr(t, err, context.Canceled)
		for i := range int64(10) {
			n, err := b.PutBatch(background, []int64{3 * i, 3*i + 1, 3*i + 2})
			if n != 3 || err != nil || r.Len() != 3 {
				t.Fatal(n, err, r.Len())
			}
			mustReadBatch(t, r, 2, 3*i, 3*i+1)
			mustReadBatch(t, r, 2, 3*i+2)
		}
		if n := late.Len(); n != 7 {
			t.Errorf("%d of 8 that may be overwritten at any moment", n)
		}
		var lapped *LappedError
		if _, err = late.GetBatch(background, make([]int64, 4)); !errors.As(err, &lapped) || lapped.Lost != 23 {
			t.Errorf("%v, want 23 lost", err)
		}
		mustReadBatch(t, late, 10, 23, 24, 25, 26, 27, 28, 29)
		if s := b.Stats(); s.Put != 30 || s.Bytes != 240 {
			t.Errorf("%+v", s)
		}
	}
}

// What makes Put fail makes PutBatch fail, and a batch of more than there is room for overwrites
// its own beginning.
func TestOverwritingBatchErrors(t *testing.T) {
	b := newBroadcast[int64](t, 4, overwriting)
	r := b.mustSubscribe(FromNewest)
	res, err := b.Reserve(background)
	wantErr(t, err, nil)
	_, err = b.PutBatch(background, []int64{1})
	wantErr(t, err, ErrReserved)
	wantErr(t, res.Abort(), nil)
	n, err := b.PutBatch(background, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	if n != 10 || err != nil {
		t.Fatal(n, err)
	}
	_, err = r.GetBatch(background, make([]int64, 4))
	wantErr(t, err, ErrLapped)
	mustReadBatch(t, r, 4, 7, 8, 9)
	wantErr(t, b.Close(), nil)
	n, err = b.PutBatch(background, []int64{1})
	if n != 0 || !errors.Is(err, ErrClosed) {
		t.Error(n, err)
	}
	_, err = r.GetBatch(background, make([]int64, 4))
	wantErr(t, err, ErrClosed)
}

// A68: readers that sleep are woken by a batch, all of them, and count as having waited.
func TestOverwritingBatchWakes(t *testing.T) {
	for name, policy := range policies {
		b := newBroadcast[int64](t, 64, Options{Wait: policy, WhenFull: DropOldest})
		const readers, batches, size = 4, 20, 10
		var all sync.WaitGroup
		var read atomic.Int64
		for range readers {
			r := b.mustSubscribe(FromNewest)
			all.Go(func() {
				vs, next := make([]int64, 64), int64(0)
				for next < batches*size {
					n, err := r.GetBatch(background, vs)
					if err != nil || vs[0] != next || vs[n-1] != next+int64(n)-1 {
						t.Errorf("%s: %v, %v", name, vs[:n], err)
						return
					}
					next += int64(n)
					read.Add(int64(n))
				}
			})
		}
		for i := range int64(batches) {
			if policy == shmsync.Park {
				proctest.Eventually(t, proctest.Hang, func() bool { return b.Stats().Waits >= readers*uint64(min(i, 1)+1) }, "nobody sleeps")
			}
			vs := make([]int64, size)
			for j := range vs {
				vs[j] = size*i + int64(j)
			}
			_, err := b.PutBatch(background, vs)
			wantErr(t, err, nil)
			proctest.Eventually(t, proctest.Hang, func() bool { return read.Load() == readers*size*(i+1) }, "somebody was not woken")
		}
		all.Wait()
	}
}

// roleListenInBatches is roleListen that reads batches.
var roleListenInBatches = proctest.Register("listen-in-batches", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBroadcast[line](seg, "b", Options{})
	proctest.ExitOn(err)
	r := b.mustSubscribe(FromOldest)
	proctest.Say("ready")
	next, got, lost := uint64(0), uint64(0), uint64(0)
	vs := make([]line, 100)
	for {
		n, err := r.GetBatch(background, vs)
		var lapped *LappedError
		switch {
		case errors.Is(err, ErrClosed):
			proctest.Say("%d %d", got, lost)
			return
		case errors.As(err, &lapped):
			lost += lapped.Lost
			next += lapped.Lost
		default:
			proctest.ExitOn(err)
		}
		for _, v := range vs[:n] {
			if v != (line{next, next, next, next, next, next, next, next}) {
				proctest.ExitOn(errors.New("a message is torn or out of order"))
			}
			next++
		}
		got += uint64(n)
	}
})

// A56: while batches go round the ring as fast as they can, readers of batches in other processes
// see no message that is half-way written, and know how many they have lost.
func TestOverwritingBatchAcrossProcesses(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBroadcast[line](seg, "b", 64, overwriting.startingAt(^uint64(0)-1000))
	wantErr(t, err, nil)
	var children []*proctest.Child
	for range 2 {
		c := proctest.Start(t, roleListenInBatches, path)
		c.Expect("ready")
		children = append(children, c)
	}
	const batches, size = 3000, 48
	vs := make([]line, size)
	for i := range uint64(batches) {
		for j := range vs {
			x := size*i + uint64(j)
			vs[j] = line{x, x, x, x, x, x, x, x}
		}
		n, err := b.PutBatch(background, vs)
		if n != size || err != nil {
			t.Fatal(n, err)
		}
	}
	wantErr(t, b.Close(), nil)
	for _, c := range children {
		c.WaitOK()
		var got, lost uint64
		sscan(t, c.Line(), &got, &lost)
		t.Logf("read %d, lost %d", got, lost)
		if got+lost != batches*size {
			t.Errorf("read %d and lost %d of %d", got, lost, batches*size)
		}
	}
}

func TestOverwritingBatchAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector allocates")
	}
	b := newBroadcast[line](t, 8, overwriting)
	r := b.mustSubscribe(FromNewest)
	vs := make([]line, 5)
	if n := testing.AllocsPerRun(200, func() {
		b.PutBatch(background, vs)
		r.Len()
		r.GetBatch(background, vs)
		b.Stats()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Options that it cannot have are refused, whether it is made or found.
func TestOverwritingOptions(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := NewBroadcast[int64](seg, "b", 4, overwriting)
	wantErr(t, err, nil)
	for _, o := range []Options{
		{WhenFull: DropOldest, Joinable: true}, {WhenFull: DropOldest, Writers: Many}, {WhenFull: DropOldest, Readers: 2},
		{WhenFull: DropOldest, Patience: time.Minute}, {WhenFull: DropOldest, Keep: 1}, {WhenFull: DropOldest, EndWithWriter: true},
	} {
		_, err := NewBroadcast[int64](seg, "b", 4, o)
		wantErr(t, err, fs.ErrInvalid)
		_, err = OpenBroadcast[int64](seg, "b", o)
		wantErr(t, err, fs.ErrInvalid)
	}
}
