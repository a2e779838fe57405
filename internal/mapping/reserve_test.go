//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

var (
	roleFills = proctest.Register("fills", fills)
	rolePlain = proctest.Register("plain", plain)
)

func TestReserveMakesHolesReal(t *testing.T) {
	f := newFile(t, 1<<20)
	if _, err := f.WriteAt([]byte("stays"), 8190); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Reserve(f, 4096, 1<<16); err != nil {
			t.Fatal(err)
		}
	}
	st, err := Stat(f)
	if err != nil || st.SizeBytes != 1<<20 || st.RealBytes < 1<<16 || st.RealBytes > 1<<17 {
		t.Errorf("%+v, %v", st, err)
	}
	b := make([]byte, 5)
	if _, err := f.ReadAt(b, 8190); string(b) != "stays" {
		t.Errorf("%q, %v", b, err)
	}
	if err := Reserve(f, 0, 0); err != nil {
		t.Errorf("nothing: %v", err)
	}
	f.Close()
	if err := Reserve(f, 0, 4096); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A file is too small, not the file system.
func TestReserveBeyondAllFilesIsNotForLackOfSpace(t *testing.T) {
	f := newFile(t, 4096)
	var full *NoSpaceError
	if err := Reserve(f, 1<<62, 1<<62); err == nil || errors.As(err, &full) {
		t.Errorf("%v", err)
	}
}

// mounts has this process alone see a fresh file system at dir, or says why not.
func mounts(dir, kind, options string) bool {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("none", dir, kind, 0, options)
	}
	if err != nil {
		proctest.Say("skip: mount %s: %v", kind, err)
	}
	return err == nil
}

// inMounts runs a role with mounts of its own in a directory, and reads what it says until "done".
func inMounts(t *testing.T, role string) {
	t.Helper()
	child := proctest.Command(t, role, proctest.Dir(t))
	withMounts(child)
	if err := child.TryStart(); err != nil {
		t.Skipf("no mounts for this user: %v", err)
	}
	for {
		switch line := child.Line(); {
		case line == "done":
			child.WaitOK()
			return
		case strings.HasPrefix(line, "skip: "):
			child.Wait()
			t.Skip(line)
		default:
			t.Error(line)
		}
	}
}

// fills reserves space in a file system of 64 KiB.
func fills(args []string) {
	const size = 64 << 10
	if !mounts(args[0], "tmpfs", "size=64k") {
		return
	}
	u, err := CreateUnnamed(filepath.Join(args[0], "a"), 1<<20)
	if err != nil {
		panic(err)
	}
	var full *NoSpaceError
	if err := Reserve(u.File, 0, 1<<20); !errors.As(err, &full) || full.Need != 1<<20 || full.Free != size {
		proctest.Say("1 MiB in 64 KiB: %v", err)
	}
	if !strings.Contains(full.Error(), "1048576 bytes needed, 65536 free") || !strings.HasPrefix(full.Error(), args[0]) {
		proctest.Say("says %q", full.Error())
	}
	if err := Reserve(u.File, 0, 40<<10); err != nil { // what failed has taken nothing
		proctest.Say("40 KiB: %v", err)
	}
	if err := Reserve(u.File, 512<<10, 40<<10); !errors.As(err, &full) || full.Need != 40<<10 || full.Free != 24<<10 {
		proctest.Say("40 KiB more: %v", err)
	}
	if err := Refill(u.File, 512<<10, 40<<10); !errors.As(err, &full) {
		proctest.Say("refill 40 KiB more: %v", err)
	}
	m, err := Map(u.File, 1<<20)
	if err != nil {
		panic(err)
	}
	for i := range 40 << 10 { // all that was reserved can be touched
		m.Bytes()[i] = byte(i)
	}
	m.Unmap()
	u.Discard()
	proctest.Say("done")
}

func TestReserveInAFullFileSystem(t *testing.T) { inMounts(t, roleFills) }

// plain works in a file system that cannot reserve.
func plain(args []string) {
	if !mounts(args[0], "ramfs", "") {
		return
	}
	path := filepath.Join(args[0], "segment")
	u, err := CreateUnnamed(path, 1<<16)
	if err != nil {
		panic(err)
	}
	if err := unix.Fallocate(int(u.File.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 4096); err != unix.EOPNOTSUPP {
		proctest.Say("skip: this file system can: %v", err)
		return
	}
	if _, err := u.File.WriteAt([]byte("stays"), 8190); err != nil {
		panic(err)
	}
	if err := Reserve(u.File, 5000, 20000); err != nil {
		proctest.Say("reserve: %v", err)
	}
	b := make([]byte, 5)
	if _, err := u.File.ReadAt(b, 8190); string(b) != "stays" {
		proctest.Say("holds %q, %v", b, err)
	}
	if err := Refill(u.File, 0, 4096); err != nil {
		proctest.Say("refill: %v", err)
	}
	if err := Reserve(u.File, 1<<16, 4096); err == nil {
		proctest.Say("reserved behind the end")
	}
	if err := u.LinkTo(path); err != nil {
		proctest.Say("link: %v", err)
	}
	u.Discard()
	f, err := OpenExisting(path)
	if err != nil {
		proctest.Say("open: %v", err)
	}
	f.Close()
	proctest.Say("done")
}

func TestReserveWhereTheFileSystemCannot(t *testing.T) { inMounts(t, rolePlain) }

// Signals come faster than the kernel can reserve the whole. Some kernels give everything back at
// each.
func TestReserveUnderSignals(t *testing.T) {
	size := int64(128 << 20)
	if testing.Short() {
		size = 32 << 20
	}
	f := newFile(t, size)
	start := time.Now()
	if err := Reserve(f, 0, size); err != nil {
		t.Skipf("no space for this test: %v", err)
	}
	whole := time.Since(start)
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	thread := make(chan int)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		done <- Reserve(f, 0, size)
	}()
	tid := <-thread
	start = time.Now()
	for signals := 0; ; signals++ {
		select {
		case err := <-done:
			if st, statErr := Stat(f); err != nil || statErr != nil || st.RealBytes < size {
				t.Errorf("%+v, %v, %v", st, err, statErr)
			}
			t.Logf("%d MiB: %v, under %d signals %v", size>>20, whole, signals, time.Since(start))
			return
		case <-time.After(whole / 20):
			// which the runtime takes for its own
			if err := unix.Tgkill(os.Getpid(), tid, unix.SIGURG); err != nil {
				t.Error(err)
			}
		}
	}
}
