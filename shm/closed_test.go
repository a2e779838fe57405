//go:build linux

package shm_test

import (
	"os"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// After Close every method that can report an error reports that, and none of the others crashes.
func TestUseAfterClose(t *testing.T) {
	seg := need(shm.Create(newPath(t), small))
	v, a := need(shm.NewValue[int64](seg, "v", 1)), need(shm.NewArray[int64](seg, "a", 2))
	var handles []handle
	for _, m := range makers {
		handles = append(handles, need(m.new(seg, "the "+m.kind)))
	}
	file := seg.File()
	wantOK(t, seg.Close())
	wantOK(t, seg.Close())
	closed := func(err error, mentions ...string) {
		t.Helper()
		wantErr(t, err, shm.ErrClosed, mentions...)
		wantErr(t, err, os.ErrClosed)
	}
	_, err := v.Load()
	closed(err, `"v"`)
	closed(v.Store(background, 1), `"v"`)
	closed(v.Update(background, func(*int64) error { t.Error("f ran"); return nil }), `"v"`)
	_, err = a.At(background, 1)
	closed(err, `"a"`)
	closed(a.Set(background, 1, 1), `"a"`)
	f := func([]int64) error { t.Error("f ran"); return nil }
	closed(a.Update(background, f), `"a"`)
	closed(a.UpdateRange(background, 0, 1, f), `"a"`)
	closed(a.Read(background, f), `"a"`)
	for i, m := range makers {
		_, err := m.new(seg, "new")
		closed(err, seg.Path())
		_, err = m.open(seg, "the "+m.kind)
		closed(err, seg.Path())
		_, err = handles[i].MarshalBinary()
		closed(err, seg.Path())
	}
	closed(seg.Check(), seg.Path())
	closed(seg.Remove(), seg.Path())
	closed(seg.RemoveObject("v"), seg.Path())
	_, err = shm.FromFile(file)
	wantErr(t, err, os.ErrClosed)
	for range seg.Objects() {
		t.Error("a closed segment has objects")
	}
	useAll(handles)
	if seg.Size() != small.Size || seg.Path() == "" {
		t.Error("size or path have gone")
	}
}

// useAll calls what cannot report errors.
func useAll(handles []handle) {
	for _, h := range handles {
		switch h := h.(type) {
		case *shm.RawValue[int64]:
			h.Store(h.Load() + *h.Pointer())
		case *shm.RawArray[int64]:
			h.Set(0, h.At(1)+h.Slice()[2])
		case *shm.Array[int64]:
			h.Slice()[0]++
		case *shm.Int64:
			h.Store(h.Add(1) + h.Swap(2))
		case *shm.Float64:
			h.Add(1)
		case *shm.Bool:
			h.CompareAndSwap(h.Load(), true)
		case *shm.Counter:
			h.Add(h.Sum())
		}
	}
}

// A goroutine that waits for a lock which another process holds comes back when this process closes
// the segment.
func TestCloseWakesWaiters(t *testing.T) {
	seg := need(shm.Create(newPath(t), small))
	defer seg.Close()
	v, a, child := held(t, seg)
	waits := []func() error{
		func() error { return v.Store(background, 1) },
		func() error { return v.Update(background, func(*int64) error { return nil }) },
		func() error { return a.Set(background, 0, 1) },
		func() error { return a.Read(background, func([]int64) error { return nil }) },
	}
	errs := make([]error, len(waits))
	var returned []<-chan struct{}
	for i, wait := range waits {
		returned = append(returned, proctest.MustBlock(t, func() { errs[i] = wait() }))
	}
	wantOK(t, seg.Close())
	for i := range waits {
		<-returned[i]
		wantErr(t, errs[i], shm.ErrClosed)
	}
	child.Send("end")
	child.WaitOK()
}

// Close does not wait long for a goroutine that keeps a lock, and names it. The next to lock gets
// the old value.
func TestCloseWhileHolding(t *testing.T) {
	seg := newSegment(t, small)
	mine := need(shm.FromFile(seg.File()))
	v := need(shm.NewValue[int64](mine, "v", 7))
	locked, closed, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		v.Update(background, func(n *int64) error {
			*n = 8
			close(locked)
			<-closed
			*n = 9
			return nil
		})
	}()
	<-locked
	err := mine.Close()
	var h *shm.HeldError
	wantAs(t, err, &h)
	wantErr(t, err, h, `"v"`)
	w := need(shm.OpenValue[int64](seg, "v"))
	wantOK(t, w.Update(background, func(n *int64) error { *n += 100; return nil }))
	close(closed)
	<-ended
	if got := need(w.Load()); got != 107 {
		t.Errorf("the value is %d", got)
	}
}
