//go:build linux

package futex

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { proctest.Main(m, proctest.Leaks()) }

// page is a page of memory that processes share, seen as futex words.
type page []uint32

const pageBytes = 4096

// newPage makes a page in a file and returns the path for children.
func newPage(t *testing.T) (page, string) {
	t.Helper()
	path := filepath.Join(proctest.Dir(t), "page")
	if err := os.WriteFile(path, make([]byte, pageBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	p := openPage(path)
	t.Cleanup(func() { p.unmap() })
	return p, path
}

func openPage(path string) page {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, pageBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), pageBytes/4)
}

func (p page) unmap() {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(p))), pageBytes)
	if err := unix.Munmap(b); err != nil {
		panic(err)
	}
}
