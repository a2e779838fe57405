package proctest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// memoryDir is where the directories of tests live, if it exists.
const memoryDir = "/dev/shm"

// dirPrefix starts the name of every directory that this process makes in memoryDir.
func dirPrefix() string { return fmt.Sprintf("shmkit-test-%d-", os.Getpid()) }

// Dir returns a fresh directory with mode 0700, on /dev/shm where that exists. It is removed at the
// end of the test with all that is in it.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(memoryDir, dirPrefix())
	if os.IsNotExist(err) {
		return t.TempDir()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// CleanDir is [Dir] for a test that must itself remove all it makes there: it fails the test when a
// file is left.
func CleanDir(t testing.TB) string {
	t.Helper()
	dir := Dir(t)
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || path != dir {
				t.Errorf("left behind: %s %v", path, err)
			}
			return nil
		})
	})
	return dir
}
