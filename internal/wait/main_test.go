//go:build linux

package wait

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { proctest.Main(m, proctest.Leaks()) }

// patience is what an event may take on a busy machine.
const patience = 2 * time.Minute

// never is the limit of sleeps that something else ends: when that is lost, the test hangs.
const never = time.Hour

// sharedWords makes words in a file that children can map with openWords.
func sharedWords(t *testing.T, n int) (words []uint32, path string) {
	t.Helper()
	path = filepath.Join(proctest.Dir(t), "words")
	if err := os.WriteFile(path, make([]byte, 4*n), 0o600); err != nil {
		t.Fatal(err)
	}
	words, unmap := openWords(path)
	t.Cleanup(unmap)
	return words, path
}

func openWords(path string) (words []uint32, unmap func()) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4), func() { unix.Munmap(b) }
}

// change gives the word another value and wakes a sleeper of it.
func change(word *uint32) {
	atomic.AddUint32(word, 1)
	futex.Wake(word, 1)
}

// onPollers makes every Park a polled one until it is called again.
func onPollers() (restore func()) {
	direct.Add(directMax)
	return func() { direct.Add(-directMax) }
}

// polled is the number of goroutines and of words that pollers serve, and of pollers.
func polled() (goroutines, words, threads int) {
	pollersMu.Lock()
	defer pollersMu.Unlock()
	for _, p := range pollers {
		goroutines += len(p.entries)
		words += p.words
	}
	return goroutines, words, len(pollers)
}

// parked is the number of goroutines that sleep here.
func parked() int {
	n, _, _ := polled()
	return n + int(direct.Load())
}

// nobodyParks fails the test if something is left of the waits that are over.
func nobodyParks(t *testing.T) {
	t.Helper()
	proctest.Eventually(t, patience, func() bool {
		goroutines, words, threads := polled()
		return goroutines == 0 && words == 0 && threads == 0 && direct.Load() == 0
	}, "all waits and pollers end")
}

// threads is the number of OS threads of this process.
func threads() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nThreads:")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		panic(err)
	}
	return n
}
