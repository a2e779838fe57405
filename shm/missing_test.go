//go:build linux

package shm_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/notice"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/sys/unix"
)

// roleTwice opens two segments, and says how many facilities it has been refused in vain.
var roleTwice = proctest.Register("twice", func([]string) {
	for range 2 {
		seg, err := shm.Anonymous(small)
		if err != nil {
			panic(err)
		}
		if err := seg.Close(); err != nil {
			panic(err)
		}
	}
	proctest.Say("waitv %t membarrier %t", futex.HasWaitAny(), futex.HasMembarrier())
})

// What the kernel refuses is told once, whether a filter of the system refuses it or the
// environment.
func TestMissingFacilitiesAreToldOnce(t *testing.T) {
	refused := map[string]uintptr{
		"membarrier":   unix.SYS_MEMBARRIER,
		"futex_waitv":  unix.SYS_FUTEX_WAITV,
		"robust lists": unix.SYS_SET_ROBUST_LIST,
	}
	for facility, call := range refused {
		for _, errno := range []syscall.Errno{unix.ENOSYS, unix.EPERM} {
			c := proctest.Command(t, roleTwice)
			c.Cmd.Env = append(c.Cmd.Env, notice.LevelEnv+"=INFO", futex.FallbackEnv+"=")
			c.Confine(proctest.Refuse(errno, call)...)
			c.Start()
			c.Line()
			c.WaitOK()
			wantToldOnce(t, c.Stderr(), facility)
		}
	}
	for fallback, facilities := range map[string][]string{
		"membarrier": {"membarrier"}, "waitv": {"futex_waitv"}, "robust": {"robust lists"},
		"membarrier,waitv,robust": {"membarrier", "futex_waitv", "robust lists"}, "": nil,
	} {
		c := proctest.Command(t, roleTwice)
		c.Cmd.Env = append(c.Cmd.Env, notice.LevelEnv+"=INFO", futex.FallbackEnv+"="+fallback)
		c.Start()
		c.Line()
		c.WaitOK()
		wantToldOnce(t, c.Stderr(), facilities...)
	}
}

// wantToldOnce fails the test unless the text names each facility once, and, where the kernel has
// the others, no other.
func wantToldOnce(t *testing.T, text string, facilities ...string) {
	t.Helper()
	for _, facility := range facilities {
		if n := strings.Count(text, "facility="+facility) + strings.Count(text, `facility="`+facility+`"`); n != 1 {
			t.Errorf("%s is told of %d times: %q", facility, n, text)
		}
	}
	if futex.HasMembarrier() && futex.HasWaitAny() && strings.Count(text, "facility=") != len(facilities) {
		t.Errorf("told of more than %q: %q", facilities, text)
	}
}
