//go:build linux

package shm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/shm"
)

// roleGrouped makes arrays, large and many, until it is told that there is no room for more.
var roleGrouped = proctest.Register("grouped", func([]string) {
	proctest.Say("ready")
	proctest.Hear()
	seg := need(shm.Anonymous(shm.Options{Size: 1 << 30}))
	_, err := shm.NewRawArray[byte](seg, "large", 300<<20)
	for i := 0; ; i++ {
		var full *shm.NoSpaceError
		proctest.Say("%t", errors.As(err, &full) && full.Group != "" && full.Need > full.Free)
		for err = nil; err == nil; i++ {
			_, err = shm.NewRawArray[byte](seg, strconv.Itoa(i), 4<<20)
		}
		proctest.Hear()
	}
})

// In a control group that has no memory for it an array is an error, and not the end of a process.
func TestControlGroup(t *testing.T) {
	if race.Enabled {
		t.Skip("the memory of the race detector counts in the group, too: it is taken without a look")
	}
	group := filepath.Join("/sys/fs/cgroup/memory", "shmkit-test-"+strconv.Itoa(os.Getpid()))
	limit := filepath.Join(group, "memory.limit_in_bytes")
	if _, err := os.Stat(filepath.Dir(group)); err != nil { // version 2
		group = filepath.Join("/sys/fs/cgroup", filepath.Base(group))
		limit = filepath.Join(group, "memory.max")
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("no control group can be made here: %v", err)
	}
	t.Cleanup(func() { os.Remove(group) })
	if err := os.WriteFile(limit, []byte(strconv.Itoa(150<<20)), 0o644); err != nil {
		t.Skipf("no memory can be limited here: %v", err)
	}
	child := proctest.Start(t, roleGrouped)
	child.Expect("ready")
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(child.PID())), 0o644); err != nil {
		t.Skipf("no process can be put into a control group here: %v", err)
	}
	child.Send("go on")
	child.Expect("true") // 300 MiB
	child.Send("go on")
	child.Expect("true") // many of 4 MiB
	child.Kill()
}
