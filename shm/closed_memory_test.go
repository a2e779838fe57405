//go:build linux

package shm_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// smallMount is a directory with a file system of that size in memory, such as 256m.
func smallMount(t *testing.T, size string) string {
	t.Helper()
	dir := proctest.Dir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=700"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { wantOK(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// The memory of a segment that is closed and removed, in either order, is free at once, although
// its handles and slices of them are reachable.
func TestClosedAndRemovedIsFree(t *testing.T) {
	dir := smallMount(t, "256m")
	var slices [][]byte
	for i := range 6 {
		path := filepath.Join(dir, fmt.Sprint(i))
		seg := need(shm.Create(path, shm.Options{Size: 110 << 20}))
		a, err := shm.NewRawArray[byte](seg, "a", 100<<20)
		if err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
		slices = append(slices, a.Slice())
		if i%2 == 0 {
			wantOK(t, seg.Close())
			wantOK(t, shm.Remove(path))
		} else {
			wantOK(t, seg.Remove())
			wantOK(t, seg.Close())
		}
	}
	for i, s := range slices {
		s[len(s)-1]++ // it is this process's own, and there
		if s[len(s)-1] != 1 {
			t.Errorf("slice %d: %d", i, s[len(s)-1])
		}
	}
}
