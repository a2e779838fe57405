//go:build linux

package mapping

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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

func TestBlank(t *testing.T) {
	f, mine := pages(t, 4)
	defer mine.Unmap()
	page := os.Getpagesize()
	other, err := Map(f, 4*page)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Unmap()
	for i := range 4 {
		mine.Bytes()[i*page] = byte(i + 1)
	}
	if err := mine.Blank(page+1, 3*page, nil); err != nil { // the third page
		t.Fatal(err)
	}
	for i, want := range []byte{1, 2, 0, 4} {
		if got := mine.Bytes()[i*page]; got != want {
			t.Errorf("page %d holds %d, not %d", i, got, want)
		}
		mine.Bytes()[i*page] = 10
	}
	for i, want := range []byte{10, 10, 3, 10} {
		if got := other.Bytes()[i*page]; got != want {
			t.Errorf("page %d of the file holds %d, not %d", i, got, want)
		}
	}
	if mine.Bytes()[2*page] != 10 {
		t.Error("a write into the blank part is lost")
	}
	if err := mine.Blank(4*page, 8*page, nil); err != nil {
		t.Error(err)
	}
	err = mine.Blank(0, page, func(fresh []byte, at int) {
		if at != 0 || len(fresh) != page || mine.Bytes()[0] != 10 {
			t.Errorf("%d bytes at %d are to be filled", len(fresh), at)
		}
		fresh[0] = 20
	})
	if err != nil || mine.Bytes()[0] != 20 || other.Bytes()[0] != 10 {
		t.Errorf("%v", err)
	}
	f.Close() // Blank needs no file
	if err := mine.Blank(0, 4*page, nil); err != nil || mine.Bytes()[3*page] != 0 {
		t.Errorf("%v", err)
	}
}

// The memory of a file that has no name ends with its last descriptor and the last page mapped of
// it.
func TestBlankLetsGoOfTheFile(t *testing.T) {
	f, err := Anonymous("let go", 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Map(f, 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	st, err := Stat(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	mapped := func() bool {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(maps), fmt.Sprintf(" %d ", st.Inode)) && strings.Contains(string(maps), "let go")
	}
	if !mapped() {
		t.Fatal("the mapping is not listed")
	}
	if err := m.Blank(0, 8<<20, nil); err != nil {
		t.Fatal(err)
	}
	if mapped() {
		t.Error("still mapped")
	}
	m.Bytes()[8<<20-1] = 1
	if err := m.Unmap(); err != nil {
		t.Error(err)
	}
}

// What Shrink cuts off can be mapped anew, and Unmap leaves that alone.
func TestShrink(t *testing.T) {
	_, m := pages(t, 4)
	page := os.Getpagesize()
	m.Bytes()[page] = 7
	all := m.Bytes()
	if err := m.Shrink(page + 1); err != nil {
		t.Fatal(err)
	}
	if len(m.Bytes()) != 2*page || m.Bytes()[page] != 7 || &m.Bytes()[0] != &all[0] {
		t.Errorf("%d bytes are left", len(m.Bytes()))
	}
	if err := m.Shrink(4 * page); err != nil || len(m.Bytes()) != 2*page {
		t.Errorf("%d bytes, %v", len(m.Bytes()), err)
	}
	if err := m.Blank(0, 2*page, nil); err != nil {
		t.Error(err)
	}
	if err := m.Unmap(); err != nil {
		t.Error(err)
	}
}

// Writers that are at work meanwhile neither fault nor write into the file afterwards.
func TestBlankUnderWriters(t *testing.T) {
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
		if err := mine.Blank(0, os.Getpagesize(), nil); err != nil {
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
