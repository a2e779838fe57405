//go:build linux

package shm_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// makeLooks makes a segment with an object of each of lookKinds, and closes it.
func makeLooks(t *testing.T, path string) {
	t.Helper()
	seg := need(shm.Create(path, small))
	fillLooks(seg)
	wantOK(t, seg.Close())
}

func fillLooks(seg *shm.Segment) {
	for i, k := range lookKinds {
		k.make(seg, k.name, int64(i+1))
	}
}

// wantLooks wants that a segment which is open for reading only has what makeLooks makes.
func wantLooks(t *testing.T, seg *shm.Segment) {
	t.Helper()
	if !seg.ReadOnly() {
		t.Error("the segment is not open for reading only")
	}
	for i, k := range lookKinds {
		if k.name == "Queue" { // its look knows what is in it by its name
			continue
		}
		look, err := k.open(seg, k.name)
		wantOK(t, err)
		if n, err := look(); n != int64(i+1) || err != nil {
			t.Errorf("%s: %d, %v; want %d", k.name, n, err, i+1)
		}
	}
}

// FromFileReadOnly takes what the file is open on, whatever it is open for, and leaves the file to
// the caller.
func TestFromFileReadOnly(t *testing.T) {
	path := newPath(t)
	makeLooks(t, path)
	for name, flag := range map[string]int{"to read": os.O_RDONLY, "to write": os.O_RDWR} {
		t.Run(name, func(t *testing.T) {
			f := need(os.OpenFile(path, flag, 0))
			seg := need(shm.FromFileReadOnly(f))
			wantOK(t, f.Close())
			wantLooks(t, seg)
			if _, err := seg.File().WriteAt([]byte{0}, 0); err == nil {
				t.Error("the segment's file can be written to")
			}
			wantOK(t, seg.Close())
		})
	}
	t.Run("without a name", func(t *testing.T) {
		writer := need(shm.Anonymous(small))
		n := need(shm.NewInt64(writer, "n", 7))
		seg := need(shm.FromFileReadOnly(writer.File()))
		seen := need(shm.OpenInt64(seg, "n"))
		n.Add(1)
		if !seg.ReadOnly() || writer.ReadOnly() || seen.Load() != 8 {
			t.Error(seg.ReadOnly(), writer.ReadOnly(), seen.Load())
		}
		wantOK(t, seg.Close())
		if n.Add(1) != 9 {
			t.Error("the writer's Int64 does not work any more")
		}
		wantOK(t, writer.Close())
	})
}

// What is no segment is refused, with an error that says why.
func TestFromFileReadOnlyRefuses(t *testing.T) {
	_, err := shm.FromFileReadOnly(nil)
	wantErr(t, err, fs.ErrInvalid, "nil")

	r, w, err := os.Pipe()
	wantOK(t, err)
	defer r.Close()
	defer w.Close()
	_, err = shm.FromFileReadOnly(r)
	wantErr(t, err, shm.ErrFormat)

	for name, content := range map[string][]byte{"empty": {}, "text": bytes.Repeat([]byte("text"), 4096)} {
		path := filepath.Join(t.TempDir(), name)
		wantOK(t, os.WriteFile(path, content, 0o600))
		f := need(os.Open(path))
		_, err = shm.FromFileReadOnly(f)
		wantErr(t, err, shm.ErrFormat, path)
		_, err = shm.OpenReadOnly(path)
		wantErr(t, err, shm.ErrFormat, path)
		wantOK(t, f.Close())
	}
	_, err = shm.OpenReadOnly(newPath(t))
	wantErr(t, err, fs.ErrNotExist)
}

// A plain name that no segment has leaves no trace: the directory of plain names is not made.
func TestReadOnlyMakesNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent")
	t.Setenv("SHMKIT_DIR", dir)
	_, err := shm.OpenReadOnly("segment")
	wantErr(t, err, fs.ErrNotExist, "segment")
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
}

// sparse copies a file without its pages of zeros.
func sparse(t *testing.T, from, to string) {
	t.Helper()
	const page = 4096
	content := need(os.ReadFile(from))
	f := need(os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600))
	wantOK(t, f.Truncate(int64(len(content))))
	for off := 0; off < len(content); off += page {
		if p := content[off:min(off+page, len(content))]; !bytes.Equal(p, make([]byte, len(p))) {
			_, err := f.WriteAt(p, int64(off))
			wantOK(t, err)
		}
	}
	wantOK(t, f.Close())
}

// A copy with holes would take memory when it is read: on tmpfs it is refused, until a process has
// opened it for writing, which fills them.
func TestReadOnlyRefusesHoles(t *testing.T) {
	dir := smallMount(t, "16m")
	path := filepath.Join(dir, "copy")
	makeHoles(t, filepath.Join(dir, "segment"), path)
	_, before := stateOf(t, path)
	_, err := shm.OpenReadOnly(path)
	wantErr(t, err, shm.ErrFormat, path, "holes", "open it once for writing")
	if _, after := stateOf(t, path); after != before {
		t.Errorf("%d blocks have become %d", before, after)
	}
	wantOK(t, need(shm.Open(path)).Close())
	wantFarElement(t, path)
}

// makeHoles makes a segment with an Array of 100 KiB, most of which is zeros, and copies it
// without these.
func makeHoles(t *testing.T, path, copied string) {
	t.Helper()
	seg := need(shm.Create(path, shm.Options{Size: 4 << 20, Objects: 64, Processes: 4}))
	need(shm.NewRawArray[byte](seg, "a", farElement+1)).Set(farElement, 1)
	wantOK(t, seg.Close())
	sparse(t, path, copied)
}

const farElement = 100<<10 - 1

// wantFarElement reads all of the Array of makeHoles, which takes no block.
func wantFarElement(t *testing.T, path string) {
	t.Helper()
	_, before := stateOf(t, path)
	seg := need(shm.OpenReadOnly(path))
	a := need(shm.OpenRawArray[byte](seg, "a"))
	if sum := bytes.Count(a.Slice(), []byte{0}); sum != farElement || a.At(farElement) != 1 {
		t.Errorf("%d zeros, and at the end %d", sum, a.At(farElement))
	}
	wantOK(t, seg.Close())
	if _, after := stateOf(t, path); after != before {
		t.Errorf("%d blocks have become %d", before, after)
	}
}

// On file systems where a hole can be read for nothing, a copy with holes is read.
func TestReadOnlyReadsHolesOfDisks(t *testing.T) {
	dir := diskWith(t, "ext4")
	path := filepath.Join(dir, "copy")
	makeHoles(t, filepath.Join(dir, "segment"), path)
	wantFarElement(t, path)
}

// A segment on a file system that is full, and then mounted read-only, too, is read, and none of
// its blocks is added.
func TestReadOnlyMount(t *testing.T) {
	dir := smallMount(t, "4m")
	path := filepath.Join(dir, "segment")
	makeLooks(t, path)
	fillUp(t, dir)
	look := func() {
		t.Helper()
		before, blocks := stateOf(t, path)
		seg, err := shm.OpenReadOnly(path)
		wantOK(t, err)
		wantLooks(t, seg)
		wantOK(t, seg.Close())
		if after, more := stateOf(t, path); after != before || more != blocks {
			t.Errorf("the bytes are the same: %v; %d blocks have become %d", after == before, blocks, more)
		}
	}
	look()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("it cannot be mounted read-only: %v", err)
	}
	_, err := shm.Open(path)
	wantErr(t, err, fs.ErrPermission, path)
	look()
}

// A file that was cut off is refused.
func TestReadOnlyTruncated(t *testing.T) {
	path := newPath(t)
	makeLooks(t, path)
	size := need(os.Stat(path)).Size()
	for _, n := range []int64{size - 1, size / 2, 4096, 100, 0} {
		wantOK(t, os.Truncate(path, n))
		_, err := shm.OpenReadOnly(path)
		wantErr(t, err, shm.ErrFormat, path)
	}
}

// survivor: SEGMENT. It reads the Value "Value" for reading only, once as it is, and once after the
// file was cut off, which it survives as the documentation says.
var roleSurvivor = proctest.Register("survivor", func(args []string) {
	seg := need(shm.OpenReadOnly(args[0]))
	look := need(lookKinds[0].open(seg, "Value"))
	proctest.Say("%d", need(look()))
	proctest.Hear()
	debug.SetPanicOnFault(true)
	defer func() {
		_, ok := recover().(interface{ Addr() uintptr })
		proctest.Say("recovered from a fault: %v", ok)
	}()
	_, err := look()
	proctest.Say("no fault: %v", err)
})

// A file that is cut off while it is mapped ends reads with a fault, which the program can recover
// from.
func TestReadOnlyTruncatedWhileOpen(t *testing.T) {
	path := newPath(t)
	makeLooks(t, path)
	c := proctest.Start(t, roleSurvivor, path)
	c.Expect("1")
	wantOK(t, os.Truncate(path, 0))
	c.Send("go on")
	c.Expect("recovered from a fault: true")
	c.WaitOK()
}
