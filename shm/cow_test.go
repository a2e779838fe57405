//go:build linux

package shm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// diskWith is a directory with a small file system of that kind in a file, made by mkfs with these
// arguments.
func diskWith(t *testing.T, kind string, arguments ...string) string {
	t.Helper()
	dir := proctest.Dir(t)
	image := filepath.Join(t.TempDir(), "image")
	wantOK(t, os.WriteFile(image, nil, 0o600))
	wantOK(t, os.Truncate(image, 320<<20))
	if out, err := exec.Command("mkfs."+kind, append(arguments, "-q", image)...).CombinedOutput(); err != nil {
		t.Skipf("mkfs.%s: %v %s", kind, err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("such a file system cannot be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() { wantOK(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fillUp leaves no room in the file system of dir.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	for _, size := range []int{1 << 20, 4 << 10} {
		f := need(os.CreateTemp(dir, "fill"))
		for _, err := f.Write(make([]byte, size)); err == nil; _, err = f.Write(make([]byte, size)) {
		}
		f.Sync()
		wantOK(t, f.Close())
	}
}

// roleFullDisk writes to all of the Array "a" of the segment args[0] when it is told so.
var roleFullDisk = proctest.Register("full-disk", func(args []string) {
	a := need(shm.OpenRawArray[byte](need(shm.Open(args[0])), "a"))
	for proctest.Hear() == "write" {
		for i := 0; i < a.Len(); i += 512 {
			a.Set(i, a.At(i)+1)
		}
		proctest.Say("written")
	}
})

// A segment on a file system that copies on write is written in place, so that a full one does no
// harm, also when the file is copied meanwhile; or it is refused with the name of the file system.
func TestCopyOnWrite(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		arguments  []string
		refused    string
	}{
		{"btrfs", "btrfs", nil, ""},
		{"ext4", "ext4", nil, ""},
		{"XFS with reflinks", "xfs", []string{"-m", "reflink=1"}, "XFS with reflinks"},
		{"XFS without", "xfs", []string{"-m", "reflink=0"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := diskWith(t, c.kind, c.arguments...)
			path := filepath.Join(dir, "segment")
			seg, err := shm.Create(path, shm.Options{Size: 32 << 20, Processes: 4})
			if c.refused != "" {
				wantErr(t, err, shm.ErrCopyOnWrite, path, c.refused)
				return
			}
			wantOK(t, err)
			defer seg.Close()
			need(shm.NewRawArray[byte](seg, "a", 16<<20))
			child := proctest.Start(t, roleFullDisk, path)
			child.Send("write")
			child.Expect("written")
			if out, err := exec.Command("cp", path, path+".copy").CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			syscall.Sync()
			fillUp(t, dir)
			child.Send("write")
			child.Expect("written")
			child.Kill()
		})
	}
}
