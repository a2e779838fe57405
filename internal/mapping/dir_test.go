//go:build linux

package mapping

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

var roleMakesDir = proctest.Register("makes directory", func(args []string) {
	mask, err := strconv.ParseUint(args[0], 8, 32)
	if err != nil {
		panic(err)
	}
	unix.Umask(int(mask))
	os.Setenv(DirEnv, args[1])
	dir, err := UserDir()
	proctest.Say("%s %v", dir, err)
})

func TestUserDirIsMadePrivate(t *testing.T) {
	for _, umask := range []string{"0", "022", "077"} {
		dir := filepath.Join(proctest.Dir(t), "mine")
		for range 2 {
			child := proctest.Start(t, roleMakesDir, umask, dir)
			child.Expect(dir + " <nil>")
			child.WaitOK()
			if info, err := os.Lstat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
				t.Errorf("umask %s: %v, %v", umask, info, err)
			}
		}
	}
}

func TestUserDirIsRefusedUnlessPrivate(t *testing.T) {
	parent := proctest.Dir(t)
	in := func(name string) string { return filepath.Join(parent, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(in("good"), 0o700))
	must(os.Symlink(in("good"), in("link")))
	must(os.Symlink(in("nothing"), in("dangling")))
	must(os.WriteFile(in("file"), nil, 0o700))
	for _, mode := range []fs.FileMode{0o701, 0o710, 0o755, 0o777} {
		must(os.Mkdir(in(mode.String()), 0o700))
		must(os.Chmod(in(mode.String()), mode))
	}
	for _, c := range []struct{ path, want string }{
		{in("good"), ""},
		{in("good") + "/", ""},
		{in("link"), "symbolic link"},
		{in("link") + "/", "symbolic link"},
		{in("dangling"), "symbolic link"},
		{in("file"), "not a directory"},
		{in("-rwx-----x"), "chmod 700"},
		{in("-rwx--x---"), "chmod 700"},
		{in("-rwxr-xr-x"), "chmod 700"},
		{in("-rwxrwxrwx"), "chmod 700"},
		{in("nothing/below"), DirEnv},
		{in("file/below"), DirEnv},
	} {
		t.Setenv(DirEnv, c.path)
		dir, err := UserDir()
		switch {
		case c.want == "" && (err != nil || dir != in("good")):
			t.Errorf("%s: %q, %v", c.path, dir, err)
		case c.want != "" && (err == nil || dir != "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %q, %v, want %q", c.path, dir, err, c.want)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("directories of another user: only root can make one")
	}
	must(os.Mkdir(in("theirs"), 0o700))
	must(os.Chown(in("theirs"), nobody, nobody))
	t.Setenv(DirEnv, in("theirs"))
	if _, err := UserDir(); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("another user's: %v", err)
	}
}

func TestUserDirIsAbsolute(t *testing.T) {
	parent := proctest.Dir(t)
	t.Chdir(parent)
	t.Setenv(DirEnv, "mine")
	if dir, err := UserDir(); err != nil || dir != filepath.Join(parent, "mine") {
		t.Errorf("%q, %v", dir, err)
	}
}

func TestDefaultUserDir(t *testing.T) {
	want := "/dev/shm/shmkit-" + strconv.Itoa(os.Geteuid())
	_, before := os.Lstat(want)
	t.Setenv(DirEnv, "")
	dir, err := UserDir()
	if err != nil || dir != want {
		t.Errorf("%q, %v", dir, err)
	}
	if errors.Is(before, fs.ErrNotExist) {
		os.Remove(want)
	}
}
