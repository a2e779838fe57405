//go:build linux

package shm_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// stranger: SEGMENT. It says what a user without rights gets.
var roleStranger = proctest.Register("stranger", func(args []string) {
	_, err := shm.Open(args[0])
	proctest.Say("%v: %v", errors.Is(err, fs.ErrPermission), err)
	_, err = shm.Create(args[0]+"2", small)
	proctest.Say("%v: %v", errors.Is(err, fs.ErrPermission), err)
	proctest.Say("%v", shm.Remove(args[0]) != nil)
	seg, err := shm.Open(args[0] + ".shared")
	if err == nil {
		need(shm.OpenInt64(seg, "n")).Add(1)
	}
	proctest.Say("%v", err)
})

func TestPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	path := newPath(t)
	wantOK(t, os.Chmod(filepath.Dir(path), 0o755))
	seg := need(shm.Create(path, small))
	defer seg.Close()
	o := small
	o.Mode, o.Group = 0o660, 65534
	shared := need(shm.Create(path+".shared", o))
	defer shared.Close()
	n := need(shm.NewInt64(shared, "n", 1))
	if fi := need(os.Stat(path)); fi.Mode() != 0o600 {
		t.Errorf("by default its mode is %v", fi.Mode())
	}
	c := proctest.Command(t, roleStranger, path)
	c.Cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	c.Start()
	for range 2 {
		if line := c.Line(); !strings.HasPrefix(line, "true: ") || !strings.Contains(line, path) {
			t.Error(line)
		}
	}
	c.Expect("true")
	c.Expect("<nil>")
	c.WaitOK()
	if n.Load() != 2 {
		t.Errorf("the member of the group did not add: %d", n.Load())
	}
}

func TestDirectoryThatIsNotPrivate(t *testing.T) {
	dir := proctest.Dir(t)
	t.Setenv("SHMKIT_DIR", dir)
	wantOK(t, os.Chmod(dir, 0o777))
	_, err := shm.Create("s", small)
	wantErr(t, err, fs.ErrPermission, dir, "SHMKIT_DIR", "0777")
	_, err = shm.Open("s")
	wantErr(t, err, fs.ErrPermission, dir)
}
