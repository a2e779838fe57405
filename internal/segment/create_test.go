//go:build linux

package segment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

func TestCreateOpenRemove(t *testing.T) {
	path := freshPath(t)
	if _, err := Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open what is not there: %v", err)
	}
	s, err := Create(path, small)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Create(path, small); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create what is there: %v", err)
	}
	o, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Identity() != s.Identity() || o.Me() == s.Me() || o.Size() != small.Size {
		t.Errorf("opened %v as %v with %d bytes, made %v as %v", o.Identity(), o.Me(), o.Size(), s.Identity(), s.Me())
	}
	if inherited := again(t, s); inherited.Path() != path || inherited.Named() {
		t.Errorf("through its file it is %q, named %v", inherited.Path(), inherited.Named())
	}
	if err := o.Unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Unlink: %v", err)
	}
	if err := s.Unlink(); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrRemoved) {
		t.Errorf("second Unlink: %v", err)
	}
	if err := Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove after Unlink: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := o.Unlink(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Unlink after Close: %v", err)
	}
}

// The name may lead to another segment by now: that one stays.
func TestUnlinkTakesOnlyItsOwnName(t *testing.T) {
	path := freshPath(t)
	first, _, err := OpenOrCreate(path, small)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	other, created, err := OpenOrCreate(path, small)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	defer other.Close()
	if err := first.Unlink(); !errors.Is(err, ErrRemoved) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Unlink of a name that leads elsewhere: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestRemoveByPath(t *testing.T) {
	dir := proctest.Dir(t)
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, []byte("no segment"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(damaged); !errors.Is(err, ErrFormat) {
		t.Errorf("remove what is no segment: %v", err)
	}
	if err := os.Remove(damaged); err != nil {
		t.Error(err)
	}
	if err := Remove(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("remove a directory: %v", err)
	}
	if err := os.Symlink("/dev/null", damaged); err != nil {
		t.Fatal(err)
	}
	if err := Remove(damaged); !errors.Is(err, ErrFormat) {
		t.Errorf("remove a symbolic link: %v", err)
	}
}

func TestAnonymous(t *testing.T) {
	s, err := Anonymous("test", small)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Named() {
		t.Error("it has a name")
	}
	for _, size := range []int64{0, s.Size() - 1, s.Size() + 1} {
		if err := s.File().Truncate(size); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("truncate to %d: %v", size, err)
		}
	}
	if err := s.Unlink(); err != nil {
		t.Error(err)
	}
	other := again(t, s)
	made(t, s, "a", 100).Payload[99] = 7
	if o := made(t, other, "a", 100); o.Payload[99] != 7 {
		t.Error("the other attachment does not see it")
	}
}
