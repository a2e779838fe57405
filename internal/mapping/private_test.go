//go:build linux

package mapping

import (
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"
)

// pages makes a file of n pages in memory or on disk and maps it.
func pages(t *testing.T, n int) (*os.File, *Memory) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "pages"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(int64(n * os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	m, err := Map(f, n*os.Getpagesize())
	if err != nil {
		t.Fatal(err)
	}
	return f, m
}

func TestPrivatize(t *testing.T) {
	f, mine := pages(t, 4)
	defer mine.Unmap()
	page := os.Getpagesize()
	other, err := Map(f, 4*page)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Unmap()
	mine.Bytes()[page] = 1
	mine.Bytes()[3*page] = 2
	if err := mine.Privatize(f, page+1); err != nil {
		t.Fatal(err)
	}
	if mine.Bytes()[3*page] != 2 {
		t.Error("the content is gone")
	}
	mine.Bytes()[page], mine.Bytes()[3*page] = 3, 4
	if other.Bytes()[page] != 3 {
		t.Error("a page before the private part is not shared")
	}
	if other.Bytes()[3*page] != 2 {
		t.Error("a write into the private part was seen by others")
	}
	if mine.Bytes()[3*page] != 4 {
		t.Error("a write into the private part is lost")
	}
	if err := mine.Privatize(f, 4*page); err != nil {
		t.Error(err)
	}
	f.Close()
	if err := mine.Privatize(f, 0); err == nil {
		t.Error("privatized through a closed file")
	}
}

// Writers that are at work meanwhile neither fault nor write into the file afterwards.
func TestPrivatizeUnderWriters(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range 50 {
		f, mine := pages(t, 1)
		other, err := Map(f, os.Getpagesize())
		if err != nil {
			t.Fatal(err)
		}
		var stop atomic.Bool
		done := make(chan struct{})
		for i := range 3 {
			word := (*atomic.Uint64)(unsafe.Pointer(&mine.Bytes()[i*64]))
			go func() {
				for !stop.Load() {
					word.Add(1)
				}
				done <- struct{}{}
			}()
		}
		if err := mine.Privatize(f, 0); err != nil {
			t.Fatal(err)
		}
		before := string(other.Bytes())
		for range 1000 {
			runtime.Gosched()
		}
		if string(other.Bytes()) != before {
			t.Error("the file changed afterwards")
		}
		stop.Store(true)
		for range 3 {
			<-done
		}
		mine.Unmap()
		other.Unmap()
	}
}

func TestReserveReadsBack(t *testing.T) {
	f, m := pages(t, 8)
	defer m.Unmap()
	st, err := Stat(f)
	if err != nil {
		t.Fatal(err)
	}
	if st.RealBytes != 0 {
		t.Skipf("a new file of this file system takes %d bytes", st.RealBytes)
	}
	m.Bytes()[0] = 7
	size := int64(len(m.Bytes()))
	if err := Reserve(f, 0, size); err != nil {
		t.Fatal(err)
	}
	if st, err = Stat(f); err != nil || st.RealBytes < size {
		t.Errorf("%d of %d bytes are real, %v", st.RealBytes, size, err)
	}
	if err := Refill(f, 0, size); err != nil || m.Bytes()[0] != 7 {
		t.Errorf("after Refill: %d, %v", m.Bytes()[0], err)
	}
}
