//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

var (
	roleCreates = proctest.Register("creates", creates)
	roleShows   = proctest.Register("shows access", showsAccess)
)

// refused is what takes the place of O_TMPFILE on a file system that does not know it: a directory
// cannot be opened so.
const refused = 0

// otherGroup is a group that only root can give a file to.
const otherGroup = 1

// inBothWays runs a test with unnamed files and without.
func inBothWays(t *testing.T, test func(t *testing.T, unnamed bool)) {
	t.Run("unnamed", func(t *testing.T) { test(t, true) })
	t.Run("temporary name", func(t *testing.T) {
		openFlag = refused
		defer func() { openFlag = unix.O_TMPFILE }()
		test(t, false)
	})
}

func mustCreate(t *testing.T, dir string, size int64) *Unnamed {
	t.Helper()
	u, err := CreateUnnamed(filepath.Join(dir, "a"), size)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnnamedFileIsLinkedComplete(t *testing.T) {
	inBothWays(t, func(t *testing.T, unnamed bool) {
		dir := proctest.CleanDir(t)
		u := mustCreate(t, dir, 10000)
		for _, name := range names(t, dir) {
			if unnamed || !strings.HasPrefix(name, ".shmkit-") {
				t.Errorf("%s can be found", name)
			}
		}
		if _, err := u.File.WriteAt([]byte("whole"), 9995); err != nil {
			t.Error(err)
		}
		path := filepath.Join(dir, "segment")
		if err := u.LinkTo(path); err != nil {
			t.Fatal(err)
		}
		if all := names(t, dir); len(all) != 1 || all[0] != "segment" {
			t.Errorf("the directory holds %q", all)
		}
		there, err := OpenExisting(path)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := Stat(u.File)
		b, errB := Stat(there)
		if a != b || errA != nil || errB != nil || a.SizeBytes != 10000 || a.Links != 1 || !a.Regular {
			t.Errorf("%+v and %+v, %v, %v", a, b, errA, errB)
		}
		there.Close()
		u.Discard() // after the link it only closes
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
}

func TestDiscardedFileVanishes(t *testing.T) {
	inBothWays(t, func(t *testing.T, _ bool) {
		dir := proctest.CleanDir(t)
		mustCreate(t, dir, 1).Discard()
		if all := names(t, dir); len(all) > 0 {
			t.Errorf("left %q", all)
		}
		if _, err := CreateUnnamed(filepath.Join(dir, "a"), -1); err == nil {
			t.Error("made a file of negative size")
		}
	})
}

func TestTakenNameStays(t *testing.T) {
	inBothWays(t, func(t *testing.T, _ bool) {
		dir := proctest.CleanDir(t)
		path := filepath.Join(dir, "segment")
		if err := os.WriteFile(path, []byte("first"), 0o600); err != nil {
			t.Fatal(err)
		}
		u := mustCreate(t, dir, 1)
		if err := u.LinkTo(path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("link to a taken name: %v", err)
		}
		if b, err := os.ReadFile(path); string(b) != "first" {
			t.Errorf("the file holds %q, %v", b, err)
		}
		if err := u.LinkTo(filepath.Join(dir, "missing", "segment")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("link into a missing directory: %v", err)
		}
		if err := u.LinkTo(filepath.Join(dir, "other")); err != nil { // it is none the worse
			t.Error(err)
		}
		u.Discard()
		os.Remove(path)
		os.Remove(filepath.Join(dir, "other"))
	})
}

func TestCreateInNoDirectory(t *testing.T) {
	inBothWays(t, func(t *testing.T, _ bool) {
		if _, err := CreateUnnamed(filepath.Join(proctest.Dir(t), "missing", "a"), 1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
}

// creates makes a file, says so, and gives it the name args[0] when it hears so.
func creates(args []string) {
	if args[1] == "temporary name" {
		openFlag = refused
	}
	u, err := CreateUnnamed(args[0], 4096)
	if err != nil {
		panic(err)
	}
	if _, err := u.File.WriteString(args[2]); err != nil {
		panic(err)
	}
	proctest.Say("made")
	proctest.Hear()
	switch err := u.LinkTo(args[0]); {
	case err == nil:
		proctest.Say("won")
	case errors.Is(err, fs.ErrExist):
		u.Discard()
		proctest.Say("lost")
	default:
		proctest.Say("%v", err)
	}
	proctest.Hear()
}

// Of several processes that give their files one name, exactly one wins, and its file is whole.
func TestOneOfSeveralCreatorsWins(t *testing.T) {
	for _, way := range []string{"unnamed", "temporary name"} {
		for range 5 {
			dir := proctest.Dir(t)
			path := filepath.Join(dir, "segment")
			var children []*proctest.Child
			marks := "abcd"
			for _, mark := range marks {
				child := proctest.Start(t, roleCreates, path, way, string(mark))
				child.Expect("made")
				children = append(children, child)
			}
			for _, child := range children {
				child.Send("link")
			}
			winner := ""
			for i, child := range children {
				switch line := child.Line(); {
				case line == "won" && winner == "":
					winner = marks[i : i+1]
				case line != "lost":
					t.Errorf("%s: creator %d: %s, after %q has won", way, i, line, winner)
				}
				child.Kill()
			}
			b, err := os.ReadFile(path)
			if err != nil || len(b) != 4096 || string(b[:1]) != winner {
				t.Errorf("%s: %d bytes of %q, want those of %q; %v", way, len(b), b[:1], winner, err)
			}
			if all := names(t, dir); len(all) != 1 {
				t.Errorf("%s: the directory holds %q", way, all)
			}
		}
	}
}

// A creator that is killed before it has linked its file leaves no file, or one with a name that no
// process opens.
func TestKilledCreatorLeavesNoSegment(t *testing.T) {
	for _, way := range []string{"unnamed", "temporary name"} {
		dir := proctest.Dir(t)
		child := proctest.Start(t, roleCreates, filepath.Join(dir, "segment"), way, "x")
		child.Expect("made")
		child.Kill()
		for _, name := range names(t, dir) {
			if way == "unnamed" || !strings.HasPrefix(name, ".shmkit-") {
				t.Errorf("%s: left %s", way, name)
			}
		}
	}
}

// showsAccess makes a file with the access args[1] under a umask and shows it.
func showsAccess(args []string) {
	if args[1] == "temporary name" {
		openFlag = refused
	}
	unix.Umask(0o077)
	u, err := CreateUnnamed(filepath.Join(args[0], "a"), 1)
	if err != nil {
		panic(err)
	}
	defer u.Discard()
	for _, access := range []struct {
		mode fs.FileMode
		gid  int
	}{{0o600, -1}, {0o666, -1}, {0o640, os.Getegid()}, {0o660, otherGroup}} {
		err := SetAccess(u.File, access.mode, access.gid)
		var st unix.Stat_t
		if err := unix.Fstat(int(u.File.Fd()), &st); err != nil {
			panic(err)
		}
		proctest.Say("%o %d %v", st.Mode&0o7777, st.Gid, err)
	}
}

func TestAccessIsWhatWasAskedFor(t *testing.T) {
	for _, way := range []string{"unnamed", "temporary name"} {
		child := proctest.Start(t, roleShows, proctest.Dir(t), way)
		child.Expect("600 " + gid() + " <nil>")
		child.Expect("666 " + gid() + " <nil>")
		child.Expect("640 " + gid() + " <nil>")
		if line := child.Line(); os.Geteuid() == 0 && line != "660 1 <nil>" || os.Geteuid() != 0 && !strings.Contains(line, "not permitted") {
			t.Errorf("a group that is not this process's: %s", line)
		}
		child.WaitOK()
	}
}
